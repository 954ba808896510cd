##@ Pipeline
# What Jenkinsfile and .github/workflows call after the targets above; each can be run by hand.
REGISTRY = $(firstword $(subst /, ,$(IMAGE)))
ACCOUNT = $(word 2,$(subst /, ,$(IMAGE)))
CHECKED = $(or $(BUNDLE),runs/$(or $(RECIPE),cats-dogs)/bundle)

validate: $(INSTALLED) ## Verify a bundle's hashes, and hold it to its gate (BUNDLE=)
	@$(BIN)/tapetum bundle verify $(CHECKED)
	@$(BIN)/tapetum gate $(CHECKED)

# Written whole or not at all: what is left of a refusal must not be followed.
promote: $(INSTALLED) ## Make the challenger the champion if it is no worse (NAME=cats-dogs PROMOTED=promoted.json)
	@$(BIN)/tapetum promote '$(or $(NAME),cats-dogs)' --json > '$(or $(PROMOTED),promoted.json).part'
	@mv '$(or $(PROMOTED),promoted.json).part' '$(or $(PROMOTED),promoted.json)'

demote: $(INSTALLED) ## Make the champion before it the champion again (NAME=, else that of PROMOTED=promoted.json)
	@$(BIN)/tapetum rollback DEMOTED --json > '$(or $(PROMOTED),promoted.json).part'
	@mv '$(or $(PROMOTED),promoted.json).part' '$(or $(PROMOTED),promoted.json)'

docker-push: ## Push the image (IMAGE=ghcr.io/ACCOUNT/cats-dogs-api TAG= REGISTRY_TOKEN in the environment)
	@test -n '$(ACCOUNT)' || { echo "IMAGE is '$(IMAGE)', without a registry: make docker-push IMAGE=ghcr.io/ACCOUNT/cats-dogs-api" >&2; exit 1; }
	@engine=$$(deploy/engine.sh) && if [ -n "$$REGISTRY_TOKEN" ]; then \
		printf %s "$$REGISTRY_TOKEN" | $$engine login '$(REGISTRY)' --username '$(ACCOUNT)' --password-stdin; fi && $$engine push '$(IMAGE):$(TAG)'

smoke: $(INSTALLED) ## Check a running service with a real picture (URL=http://localhost:8000)
	@deploy/smoke-test.sh $(or $(URL),http://localhost:8000)

.PHONY: validate docker-push smoke
