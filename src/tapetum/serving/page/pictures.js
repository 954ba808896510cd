// Pictures come in by choice, camera, drop or paste, and are asked about a few at a time.

import { byId } from "./dom.js";
import { Card } from "./card.js";
import { count } from "./words.js";

const AT_ONCE = 3;

const waiting = [];
const cards = new Set();
let under = 0;
let onAnswer = () => {};

/** Wire the view; `told` is called after each answer or refusal. */
export function wirePictures(told) {
  onAnswer = told;
  for (const id of ["choose", "photograph"]) {
    byId(id).addEventListener("change", (event) => {
      take([...event.target.files]);
      event.target.value = ""; // so that the same file can be chosen again
    });
  }
  wireDrop();
  document.addEventListener("paste", (event) => {
    const files = [...event.clipboardData.files];
    if (!files.length) return;
    event.preventDefault();
    take(files);
  });
  byId("clear").addEventListener("click", () => {
    for (const card of [...cards]) card.remove();
    byId("choose").focus();
  });
}

function wireDrop() {
  const hasFiles = (event) => event.dataTransfer.types.includes("Files");
  const mark = (isOver) => byId("drop").classList.toggle("over", isOver);
  document.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    mark(true);
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) mark(false);
  });
  document.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    mark(false);
    take([...event.dataTransfer.files]);
  });
}

function take(files) {
  if (byId("view-pictures").hidden) location.hash = "#pictures";
  const fresh = files.map((file) => new Card(file, { enqueue, forget, changed: summarise }));
  byId("cards").prepend(...fresh.map((card) => card.element));
  for (const card of fresh) {
    cards.add(card);
    enqueue(card);
  }
}

function enqueue(card) {
  waiting.push(card);
  next();
  summarise();
}

function forget(card) {
  cards.delete(card);
  if (waiting.includes(card)) waiting.splice(waiting.indexOf(card), 1);
  summarise();
}

async function next() {
  if (under >= AT_ONCE || !waiting.length) return;
  under += 1;
  try {
    await waiting.shift().ask();
  } finally {
    under -= 1;
    summarise();
    onAnswer();
    next();
  }
}

function summarise() {
  const of = (state) => [...cards].filter((card) => card.state === state).length;
  const words = [
    [of("answered"), "answered"],
    [of("refused"), "refused"],
    [of("waiting"), "to come"],
  ];
  const said = words.filter(([number]) => number).map(([number, word]) => `${number} ${word}`);
  byId("summary").textContent = said.length ? `${count(cards.size, "picture")}: ${said.join(", ")}` : "";
  byId("clear").hidden = !cards.size;
  byId("drop").classList.toggle("small-drop", cards.size > 0);
}
