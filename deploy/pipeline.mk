##@ Pipeline
# What Jenkinsfile and .github/workflows call after the targets above; each can be run by hand.
REGISTRY = $(firstword $(subst /, ,$(IMAGE)))
ACCOUNT = $(word 2,$(subst /, ,$(IMAGE)))
CHECKED = $(or $(BUNDLE),runs/$(or $(RECIPE),cats-dogs)/bundle)

validate: $(INSTALLED) ## Verify a bundle's hashes, and hold it to its gate (BUNDLE=)
	@$(BIN)/tapetum bundle verify $(CHECKED)
	@$(BIN)/tapetum gate $(CHECKED)

# Its answer is a file for `make deploy` and `make follow`, which a refusal leaves as it was.
MOVED = $(or $(PROMOTED),promoted.json)
KEPT = --json > '$(MOVED).part' || { cat '$(MOVED).part' >&2; rm -f '$(MOVED).part'; exit 1; }; mv '$(MOVED).part' '$(MOVED)'

promote: $(INSTALLED) ## Make the challenger of a model its champion, past a gate (NAME=cats-dogs DATA= SHADOW=URL PROMOTED=)
	@$(BIN)/tapetum promote '$(or $(NAME),cats-dogs)' $(addprefix --data ,$(DATA)) $(addprefix --shadow ,$(SHADOW)) $(KEPT)

demote: $(INSTALLED) ## Make the champion before it champion again (NAME=cats-dogs FROM= PROMOTED=promoted.json)
	@$(BIN)/tapetum rollback '$(or $(NAME),cats-dogs)' $(addprefix --from ,$(FROM)) $(KEPT)

docker-push: ## Push the image (IMAGE=ghcr.io/ACCOUNT/cats-dogs-api TAG= REGISTRY_TOKEN in the environment)
	@test -n '$(ACCOUNT)' || { echo "IMAGE is '$(IMAGE)', without a registry: make docker-push IMAGE=ghcr.io/ACCOUNT/cats-dogs-api" >&2; exit 1; }
	@engine=$$(deploy/engine.sh) && if [ -n "$$REGISTRY_TOKEN" ]; then \
		printf %s "$$REGISTRY_TOKEN" | $$engine login '$(REGISTRY)' --username '$(ACCOUNT)' --password-stdin; fi && $$engine push '$(IMAGE):$(TAG)'

smoke: $(INSTALLED) ## Check a running service with a real picture (URL=http://localhost:8000)
	@deploy/smoke-test.sh $(or $(URL),http://localhost:8000)

.PHONY: validate promote demote docker-push smoke
