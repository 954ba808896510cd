"""`tapetum` and `python -m tapetum`."""

from tapetum.cli.main import main

if __name__ == "__main__":
    main()
