#!/usr/bin/env bash
# Builds Stonepot with Cloud Build and runs it on Cloud Run. `./deploy.sh --help` explains.
set -euo pipefail

usage() {
  cat <<'USAGE'
Builds Stonepot with Cloud Build and runs it on Cloud Run.

  ./deploy.sh --project my-project [options]
  ./deploy.sh --project my-project --dry-run     prints the commands and runs none

Where (each may also come from the environment variable in brackets):
  --project ID          Google Cloud project; there is no default             [PROJECT_ID]
  --region NAME         region of the service and its images: us-central1     [REGION]
  --service NAME        name of the Cloud Run service: stonepot-api           [SERVICE]
  --service-account A   identity of the service; default: the project's own   [SERVICE_ACCOUNT]

What:
  --image IMAGE         deploy this image, and build nothing
  --build-only          build and push the image, and deploy nothing
  --repository NAME     Artifact Registry repository for images: stonepot
  --tag TAG             tag of the image and version of the binary: `git describe`

Credentials:
  --secret NAME         secret that holds GOOGLE_API_KEY: google-api-key
  --no-secret           do without one, for Vertex AI only or for the simulator
  --operator-secret N   secret that holds STONEPOT_OPERATOR_KEY; default: none
  --resume-secret NAME  secret that holds STONEPOT_RESUME_KEYS; without it conversations end where their instance does; default: none
  --vertex              use Vertex AI of the same project, by the service's identity
  --vertex-location L   region for Vertex AI, or global: the service's region

How (Cloud Run; docs/operations.md has the reasons):
  --memory SIZE         2Gi
  --cpu N               2
  --timeout SECONDS     3600, the longest request, and so the longest connection of a conversation
  --concurrency N       80 requests per instance. Every voice session is one request for as long as it lasts:
                        this caps the conversations per instance
  --min-instances N     1
  --max-instances N     10. With the concurrency this caps all conversations: 10 x 80 = 800
  --no-session-affinity do not try to send a browser to the instance that it had before
  --environment NAME    production. Without credentials production refuses conversations; staging has the simulator
  --private             callers need permission (roles/run.invoker); default: anybody may open the page

  --yes                 answer every question with yes
  --dry-run             print the exact commands; run nothing, look up nothing
  --help                this text

The API key is never an argument. If the secret does not exist, the script asks before it makes it, and takes the key
from the environment variable GOOGLE_API_KEY, or from the keyboard without showing it.
USAGE
}

fail() {
  printf 'deploy.sh: %s\n' "$1" >&2
  shift
  for line in "$@"; do printf '  %s\n' "$line" >&2; done
  exit 1
}

project=${PROJECT_ID:-}
region=${REGION:-us-central1}
service=${SERVICE:-stonepot-api}
service_account=${SERVICE_ACCOUNT:-}
repository=stonepot
image=''
tag=''
secret=google-api-key
operator_secret=''
resume_secret=''
vertex=false
vertex_location=''
memory=2Gi
cpu=2
timeout=3600
concurrency=80
min_instances=1
max_instances=10
affinity=--session-affinity
environment=production
access=--allow-unauthenticated
build_only=false
assume_yes=false
dry_run=false

while (($# > 0)); do
  option=$1
  value=''
  case $option in
    --*=*)
      value=${option#*=}
      option=${option%%=*}
      inline=true
      ;;
    *) inline=false ;;
  esac
  case $option in
    --no-secret | --vertex | --no-session-affinity | --session-affinity | --private | --build-only | --yes | --dry-run | --help | -h)
      [[ $inline == false ]] || fail "$option takes no value."
      ;;
    --project | --region | --service | --service-account | --image | --repository | --tag | --secret | --operator-secret | --resume-secret | \
      --vertex-location | --memory | --cpu | --timeout | --concurrency | --min-instances | --max-instances | --environment)
      if [[ $inline == false ]]; then
        [[ $# -ge 2 && $2 != --* ]] || fail "$option needs a value." "See ./deploy.sh --help"
        value=$2
        shift
      fi
      [[ -n $value || $option == --service-account || $option == --secret || $option == --operator-secret || $option == --resume-secret ]] ||
        fail "$option needs a value." "See ./deploy.sh --help"
      ;;
    *) fail "unknown option: $option" "See ./deploy.sh --help" ;;
  esac
  case $option in
    --project) project=$value ;;
    --region) region=$value ;;
    --service) service=$value ;;
    --service-account) service_account=$value ;;
    --image) image=$value ;;
    --repository) repository=$value ;;
    --tag) tag=$value ;;
    --secret) secret=$value ;;
    --no-secret) secret='' ;;
    --operator-secret) operator_secret=$value ;;
    --resume-secret) resume_secret=$value ;;
    --vertex) vertex=true ;;
    --vertex-location) vertex_location=$value ;;
    --memory) memory=$value ;;
    --cpu) cpu=$value ;;
    --timeout) timeout=$value ;;
    --concurrency) concurrency=$value ;;
    --min-instances) min_instances=$value ;;
    --max-instances) max_instances=$value ;;
    --session-affinity) affinity=--session-affinity ;;
    --no-session-affinity) affinity=--no-session-affinity ;;
    --environment) environment=$value ;;
    --private) access=--no-allow-unauthenticated ;;
    --build-only) build_only=true ;;
    --yes) assume_yes=true ;;
    --dry-run) dry_run=true ;;
    --help | -h)
      usage
      exit 0
      ;;
  esac
  shift
done

matches() { # name, value, pattern, what it must be
  [[ $2 =~ ^($3)$ ]] || fail "$1 must be $4, got \"$2\"."
}

[[ -n $project ]] || fail 'which Google Cloud project?' \
  'Say --project my-project, or set PROJECT_ID. This command lists yours: gcloud projects list'
matches --project "$project" '([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]' 'a project id such as my-project-123'
matches --region "$region" '[a-z]+-[a-z]+[0-9]+' 'a region such as us-central1'
matches --service "$service" '[a-z]([a-z0-9-]{0,47}[a-z0-9])?' 'at most 49 lower-case letters, digits and dashes, beginning with a letter'
matches --repository "$repository" '[a-z]([a-z0-9-]{0,61}[a-z0-9])?' 'lower-case letters, digits and dashes, beginning with a letter'
matches --memory "$memory" '[0-9]+(Mi|Gi)' 'a size such as 512Mi or 2Gi'
matches --cpu "$cpu" '0\.[0-9]+|1|2|4|6|8' 'less than 1, or 1, 2, 4, 6 or 8'
matches --timeout "$timeout" '[1-9][0-9]{0,3}' 'seconds, at most 3600'
((timeout <= 3600)) || fail "--timeout must be at most 3600 seconds, which is Cloud Run's longest, got $timeout."
matches --concurrency "$concurrency" '[1-9][0-9]{0,3}' 'between 1 and 1000'
((concurrency <= 1000)) || fail "--concurrency must be at most 1000, which is Cloud Run's highest, got $concurrency."
matches --min-instances "$min_instances" '[0-9]{1,4}' 'a number of instances'
matches --max-instances "$max_instances" '[1-9][0-9]{0,3}' 'a number of instances, at least 1'
((10#$min_instances <= max_instances)) ||
  fail "--min-instances ($min_instances) must not be more than --max-instances ($max_instances)."
matches --environment "$environment" 'production|staging|test|development' 'production, staging, test or development'
[[ -z $secret ]] || matches --secret "$secret" '[A-Za-z0-9_-]{1,255}' 'the name of a secret, not the key itself'
[[ -z $operator_secret ]] || matches --operator-secret "$operator_secret" '[A-Za-z0-9_-]{1,255}' 'the name of a secret, not the key itself'
[[ -z $resume_secret ]] || matches --resume-secret "$resume_secret" '[A-Za-z0-9_-]{1,255}' 'the name of a secret, not the key itself'
if [[ $secret == AIza* || $operator_secret == AIza* ]]; then
  fail 'that looks like the API key itself. Say the name of a secret; the key goes into Secret Manager.' \
    'Take the line out of your shell history, and the key out of use if others can read it.'
fi
[[ -z $service_account ]] || matches --service-account "$service_account" '[^ @]+@[^ @]+' 'an address such as stonepot@my-project.iam.gserviceaccount.com'
[[ $build_only == false || -z $image ]] || fail '--build-only and --image exclude each other.'
vertex_location=${vertex_location:-$region}
matches --vertex-location "$vertex_location" '[a-z]+(-[a-z]+[0-9]+)?' 'a region such as us-central1, or global'
if [[ $build_only == false && $environment == production && -z $secret && $vertex == false ]]; then
  fail 'production needs credentials, or every conversation is refused (upstream_not_configured).' \
    'Name a secret with --secret, or use --vertex, or deploy the simulator with --environment staging.'
fi

if [[ $dry_run == false ]] && ! command -v gcloud >/dev/null; then
  fail 'gcloud is not installed.' \
    'Install the Google Cloud CLI (https://cloud.google.com/sdk/docs/install), then run: gcloud auth login' \
    'With --dry-run this script shows what it would do without it.'
fi

# show prints a command as it could be typed.
show() {
  local word line=''
  for word in "$@"; do
    if [[ $word =~ ^[A-Za-z0-9_./:=,@%+-]+$ ]]; then
      line+=" $word"
    else
      line+=" '${word//\'/\'\\\'\'}'"
    fi
  done
  printf '%s\n' "${line# }"
}

say() { printf '# %s\n' "$1"; }

# run shows a command, and runs it unless this is a rehearsal.
run() {
  show "$@"
  [[ $dry_run == true ]] || "$@"
}

# confirm asks, and takes silence for no.
confirm() {
  [[ $assume_yes == false ]] || return 0
  [[ -t 0 ]] || return 1
  local reply
  read -r -p "$1 [y/N] " reply
  [[ $reply == [yY] || $reply == [yY][eE][sS] ]]
}

# missing runs a describe command and succeeds only if the thing is not there. Another failure (often a missing
# permission to look) is told and passed over: the deployment itself will say what it lacks.
missing() {
  local output
  show "$@"
  if [[ $dry_run == true ]] || output=$("$@" 2>&1); then return 1; fi
  if [[ $output == *NOT_FOUND* || $output == *'not found'* ]]; then return 0; fi
  printf '%s\n' "$output" >&2
  return 1
}

ensure_repository() {
  say "The repository for images: $repository in $region"
  if missing gcloud artifacts repositories describe "$repository" --project "$project" --location "$region"; then
    confirm "Artifact Registry has no repository $repository in $region. Make it?" ||
      fail "there is no repository $repository in $region." 'Make it, or run this again with --yes:' \
        "$(show gcloud artifacts repositories create "$repository" --project "$project" --location "$region" --repository-format docker)"
    run gcloud artifacts repositories create "$repository" --project "$project" --location "$region" \
      --repository-format docker --description 'Stonepot images'
  fi
}

# identity prints who reads the secrets: the service's account.
identity() {
  if [[ -n $service_account ]]; then
    printf '%s' "$service_account"
    return
  fi
  local number
  number=$(gcloud projects describe "$project" --format 'value(projectNumber)')
  printf '%s-compute@developer.gserviceaccount.com' "$number"
}

ensure_secret() { # secret, variable
  local name=$1 variable=$2 value reader
  say "The secret that holds $variable: $name"
  missing gcloud secrets describe "$name" --project "$project" || return 0
  confirm "Secret Manager has no secret $name. Make it, and let the service read it?" ||
    fail "there is no secret $name in $project." \
      'Make it (paste the key, then press Enter and Ctrl-D), and let the service read it:' \
      "tr -d '\\n' | $(show gcloud secrets create "$name" --project "$project" --replication-policy automatic --data-file -)" \
      "$(show gcloud secrets add-iam-policy-binding "$name" --project "$project" --role roles/secretmanager.secretAccessor --member serviceAccount:ACCOUNT)" \
      'Or run this again with --yes and the key in the environment variable '"$variable"', or use --no-secret.'
  value=${!variable:-}
  if [[ -z $value && -t 0 ]]; then
    read -r -s -p "$variable (not shown): " value
    printf '\n'
  fi
  [[ -n $value ]] || fail "there is no key to put into the secret $name." "Set the environment variable $variable, or run this in a terminal."
  reader=$(identity)
  show gcloud secrets create "$name" --project "$project" --replication-policy automatic --data-file -
  printf '%s' "$value" | gcloud secrets create "$name" --project "$project" --replication-policy automatic --data-file -
  run gcloud secrets add-iam-policy-binding "$name" --project "$project" \
    --role roles/secretmanager.secretAccessor --member "serviceAccount:$reader"
}

if [[ -z $image ]]; then
  # gcloud uploads the folder that it is called in.
  cd -- "$(dirname -- "${BASH_SOURCE[0]}")"
  tag=${tag:-$(git describe --tags --always --dirty 2>/dev/null || date -u +%Y%m%d-%H%M%S)}
  matches --tag "$tag" '[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}' 'letters, digits, dots and dashes'
  image=$region-docker.pkg.dev/$project/$repository/$service:$tag
  ensure_repository
  say "The image: $image"
  run gcloud builds submit --project "$project" --config cloudbuild.yaml \
    --substitutions "_DEPLOY=false,_REGION=$region,_REPOSITORY=$repository,_SERVICE=$service,_TAG=$tag" .
fi
if [[ $build_only == true ]]; then exit 0; fi

# Addresses of clients come from Cloud Run's front end, whose own address is link-local. An instance is killed 10 s after SIGTERM:
# a second is left to say the last word.
variables=NODE_ENV=$environment,STONEPOT_SERVER_TRUSTED_PROXIES=169.254.0.0/16,STONEPOT_SERVER_SHUTDOWN_GRACE=9s
if [[ $vertex == true ]]; then variables+=,PROJECT_ID=$project,LOCATION=$vertex_location; fi
secrets=''
if [[ -n $secret ]]; then
  ensure_secret "$secret" GOOGLE_API_KEY
  secrets=GOOGLE_API_KEY=$secret:latest
fi
if [[ -n $operator_secret ]]; then
  ensure_secret "$operator_secret" STONEPOT_OPERATOR_KEY
  secrets+=${secrets:+,}STONEPOT_OPERATOR_KEY=$operator_secret:latest
fi
if [[ -n $resume_secret ]]; then
  ensure_secret "$resume_secret" STONEPOT_RESUME_KEYS
  secrets+=${secrets:+,}STONEPOT_RESUME_KEYS=$resume_secret:latest
fi

# What is not named here stays as it is: variables and secrets are updated, not replaced. HTTP/2 to the container stays off,
# because WebSockets reach it as HTTP/1.1 upgrades.
deploy=(gcloud run deploy "$service" --project "$project" --region "$region" --image "$image"
  --port 8080 --memory "$memory" --cpu "$cpu" --timeout "$timeout" --concurrency "$concurrency"
  --min-instances "$min_instances" --max-instances "$max_instances" "$affinity" --no-use-http2 "$access"
  --update-env-vars "$variables")
if [[ -n $secrets ]]; then deploy+=(--update-secrets "$secrets"); fi
if [[ -n $service_account ]]; then deploy+=(--service-account "$service_account"); fi
say "The service: at most $((max_instances * concurrency)) conversations at once ($max_instances instances x $concurrency; each voice session is one request)"
run "${deploy[@]}" --quiet
