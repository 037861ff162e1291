package main_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/stonepot/stonepot/live"
)

// shell is a run of deploy.sh in an environment of its own: nothing of the tester's reaches it.
type shell struct {
	path   string   // directories with commands
	env    []string // beyond PATH
	output string   // what it printed, errors included
}

// deploy runs the script without a terminal and returns whether it succeeded.
func (s *shell) deploy(t *testing.T, args ...string) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Fatalf("deploy.sh needs bash: install it (apt-get install bash): %v", err)
	}
	command := exec.CommandContext(ctx, bash, append([]string{"deploy.sh"}, args...)...) //nolint:gosec // G204: our own script
	command.Env = append([]string{"PATH=" + s.path, "HOME=" + t.TempDir()}, s.env...)
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	err = command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	s.output = output.String()
	return err == nil
}

// commands are the lines that are not remarks.
func (s *shell) commands() []string {
	var lines []string
	for line := range strings.Lines(s.output) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return lines
}

// tools is a directory with the few commands that the script needs, and no gcloud.
func tools(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"bash", "cat", "date", "dirname", "git"} {
		found, err := exec.LookPath(name)
		if err != nil {
			t.Fatalf("deploy.sh needs %s: %v", name, err)
		}
		if err := os.Symlink(found, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// withGcloud puts a gcloud into the tools that notes what it is called with and what it is given, and then does what
// the script says.
func withGcloud(t *testing.T, script string) (path, notes string) {
	t.Helper()
	path, notes = tools(t), filepath.Join(t.TempDir(), "calls")
	fake := "#!/usr/bin/env bash\n" + `printf '%s\n' "gcloud $*" >> '` + notes + "'\n" + script
	if err := os.WriteFile(filepath.Join(path, "gcloud"), []byte(fake), 0o700); err != nil { //nolint:gosec // G306: it is run
		t.Fatal(err)
	}
	if err := os.Symlink("/usr/bin/env", filepath.Join(path, "env")); err != nil {
		t.Fatal(err)
	}
	return path, notes
}

const (
	findRepository = "gcloud artifacts repositories describe stonepot --project my-project --location us-central1"
	submit         = "gcloud builds submit --project my-project --config cloudbuild.yaml --substitutions _DEPLOY=false,_REGION=us-central1,_REPOSITORY=stonepot,_SERVICE=stonepot-api,_TAG=v1.2.3 ."
	findSecret     = "gcloud secrets describe google-api-key --project my-project"
	ourImage       = "us-central1-docker.pkg.dev/my-project/stonepot/stonepot-api:v1.2.3"
	settings       = "--port 8080 --memory 2Gi --cpu 2 --timeout 3600 --concurrency 80 --min-instances 1 --max-instances 10 --session-affinity --no-use-http2 --allow-unauthenticated"
	production     = "--update-env-vars NODE_ENV=production,STONEPOT_SERVER_TRUSTED_PROXIES=169.254.0.0/16,STONEPOT_SERVER_SHUTDOWN_GRACE=9s"
	withKey        = "--update-secrets GOOGLE_API_KEY=google-api-key:latest"
	deployOurs     = "gcloud run deploy stonepot-api --project my-project --region us-central1 --image " + ourImage + " " + settings + " " + production + " " + withKey + " --quiet"
)

func TestDeploy_dryRunPrintsTheCommands(t *testing.T) {
	path := tools(t) // without gcloud: a rehearsal needs none
	for name, c := range map[string]struct {
		args, env, want []string
	}{
		"defaults": {
			args: []string{"--project", "my-project", "--tag", "v1.2.3"},
			want: []string{findRepository, submit, findSecret, deployOurs},
		},
		"from the environment": {
			args: []string{"--tag=v1.2.3"},
			env:  []string{"PROJECT_ID=my-project", "REGION=europe-west1", "SERVICE=voice", "SERVICE_ACCOUNT=voice@my-project.iam.gserviceaccount.com"},
			want: []string{
				"gcloud artifacts repositories describe stonepot --project my-project --location europe-west1",
				"gcloud builds submit --project my-project --config cloudbuild.yaml --substitutions _DEPLOY=false,_REGION=europe-west1,_REPOSITORY=stonepot,_SERVICE=voice,_TAG=v1.2.3 .",
				findSecret,
				"gcloud run deploy voice --project my-project --region europe-west1 --image europe-west1-docker.pkg.dev/my-project/stonepot/voice:v1.2.3 " +
					settings + " " + production + " " + withKey + " --service-account voice@my-project.iam.gserviceaccount.com --quiet",
			},
		},
		"arguments win over the environment": {
			args: []string{"--tag", "v1.2.3", "--project=my-project", "--region=us-central1", "--service=stonepot-api"},
			env:  []string{"PROJECT_ID=another", "REGION=asia-east1", "SERVICE=another"},
			want: []string{findRepository, submit, findSecret, deployOurs},
		},
		"every setting": {
			args: []string{
				"--project", "my-project", "--image", "registry.example/voice@sha256:0123", "--memory", "512Mi", "--cpu", "1", "--timeout", "900",
				"--concurrency", "20", "--min-instances", "0", "--max-instances", "3", "--no-session-affinity", "--private",
				"--environment", "staging", "--secret", "other-key", "--operator-secret", "operator-key", "--resume-secret", "resume-keys",
			},
			want: []string{
				"gcloud secrets describe other-key --project my-project",
				"gcloud secrets describe operator-key --project my-project",
				"gcloud secrets describe resume-keys --project my-project",
				"gcloud run deploy stonepot-api --project my-project --region us-central1 --image registry.example/voice@sha256:0123 " +
					"--port 8080 --memory 512Mi --cpu 1 --timeout 900 --concurrency 20 --min-instances 0 --max-instances 3 --no-session-affinity --no-use-http2 " +
					"--no-allow-unauthenticated --update-env-vars NODE_ENV=staging,STONEPOT_SERVER_TRUSTED_PROXIES=169.254.0.0/16,STONEPOT_SERVER_SHUTDOWN_GRACE=9s " +
					"--update-secrets GOOGLE_API_KEY=other-key:latest,STONEPOT_OPERATOR_KEY=operator-key:latest,STONEPOT_RESUME_KEYS=resume-keys:latest --quiet",
			},
		},
		"Vertex AI without a key": {
			args: []string{"--project", "my-project", "--image", ourImage, "--vertex", "--vertex-location", "global", "--no-secret"},
			want: []string{
				"gcloud run deploy stonepot-api --project my-project --region us-central1 --image " + ourImage + " " + settings + " " +
					production + ",PROJECT_ID=my-project,LOCATION=global --quiet",
			},
		},
		"the simulator": {
			args: []string{"--project", "my-project", "--image", ourImage, "--secret", "", "--environment", "staging"},
			want: []string{
				"gcloud run deploy stonepot-api --project my-project --region us-central1 --image " + ourImage + " " + settings +
					" --update-env-vars NODE_ENV=staging,STONEPOT_SERVER_TRUSTED_PROXIES=169.254.0.0/16,STONEPOT_SERVER_SHUTDOWN_GRACE=9s --quiet",
			},
		},
		"the image alone": {
			args: []string{"--project", "my-project", "--tag", "v1.2.3", "--build-only"},
			want: []string{findRepository, submit},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := shell{path: path, env: c.env}
			if !s.deploy(t, append(c.args, "--dry-run")...) {
				t.Fatalf("failed:\n%s", s.output)
			}
			if got := s.commands(); !slices.Equal(got, c.want) {
				t.Errorf("commands are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

func TestDeploy_saysThatASessionIsARequest(t *testing.T) {
	s := shell{path: tools(t)}
	if !s.deploy(t, "--project", "my-project", "--image", "x", "--concurrency", "40", "--max-instances", "5", "--dry-run") {
		t.Fatal(s.output)
	}
	if want := "at most 200 conversations at once (5 instances x 40; each voice session is one request)"; !strings.Contains(s.output, want) {
		t.Errorf("output does not say %q:\n%s", want, s.output)
	}
}

func TestDeploy_refusesWhatCannotWork(t *testing.T) {
	path := tools(t)
	for want, args := range map[string][]string{
		"which Google Cloud project":                    {"--dry-run"},
		"gcloud is not installed":                       {"--project", "my-project"},
		"--project must be a project id":                {"--project", "My Project"},
		"--project needs a value":                       {"--project", "--dry-run"},
		"--region needs a value":                        {"--project", "my-project", "--region="},
		"--region must be a region":                     {"--project", "my-project", "--region", "us; rm"},
		"--service must be":                             {"--project", "my-project", "--service", "Stonepot"},
		"--memory must be a size":                       {"--project", "my-project", "--memory", "2GB"},
		"--cpu must be":                                 {"--project", "my-project", "--cpu", "3"},
		"--timeout must be at most 3600":                {"--project", "my-project", "--timeout", "7200"},
		"--concurrency must be at most 1000":            {"--project", "my-project", "--concurrency", "1001"},
		"--concurrency must be between":                 {"--project", "my-project", "--concurrency", "many"},
		"--min-instances (3) must not be more than":     {"--project", "my-project", "--min-instances", "3", "--max-instances", "2"},
		"--environment must be":                         {"--project", "my-project", "--environment", "prod"},
		"--dry-run takes no value":                      {"--project", "my-project", "--dry-run=yes"},
		"unknown option: --regoin":                      {"--project", "my-project", "--regoin", "x"},
		"unknown option: stray":                         {"--project", "my-project", "stray"},
		"production needs credentials":                  {"--project", "my-project", "--no-secret"},
		"looks like the API key itself":                 {"--project", "my-project", "--secret", "AIzaSyNotARealKey"},
		"exclude each other":                            {"--project", "my-project", "--image", "x", "--build-only"},
		"--vertex-location must be a region":            {"--project", "my-project", "--vertex", "--vertex-location", "US"},
		"--service-account must be an address such as ": {"--project", "my-project", "--service-account", "me"},
	} {
		t.Run(want, func(t *testing.T) {
			s := shell{path: path}
			if s.deploy(t, args...) {
				t.Fatalf("%q succeeded:\n%s", args, s.output)
			}
			if !strings.HasPrefix(s.output, "deploy.sh: ") || !strings.Contains(s.output, want) {
				t.Errorf("%q says\n%s\nwant %q", args, s.output, want)
			}
			if strings.Contains(s.output, "NotARealKey") {
				t.Error("the key is repeated in the message")
			}
		})
	}
}

func TestDeploy_helpNamesEveryOption(t *testing.T) {
	s := shell{path: tools(t)}
	if !s.deploy(t, "--help") {
		t.Fatal(s.output)
	}
	script := read(t, "deploy.sh")
	_, parser, _ := strings.Cut(script, "while (($# > 0))")
	parser, _, _ = strings.Cut(parser, "\ndone\n")
	for _, option := range regexp.MustCompile(`--[a-z][a-z0-9-]+`).FindAllString(parser, -1) {
		switch option {
		case "--session-affinity", // the default, for those who like it said
			"--no-allow-unauthenticated": // gcloud's
		default:
			if !strings.Contains(s.output, option) {
				t.Errorf("--help does not explain %s", option)
			}
		}
	}
}

// notFound is a gcloud for a project with an image repository and no secrets.
const notFound = `case "$*" in
  *"secrets describe"*) echo 'ERROR: NOT_FOUND: Secret [x] not found or has no versions.' >&2; exit 1 ;;
  *"secrets create"*) printf 'stdin: %s\n' "$(cat)" >> "${BASH_SOURCE%/*}/given" ;;
  *"projects describe"*) echo 123456789 ;;
esac
`

func TestDeploy_missingSecretIsNotMadeSilently(t *testing.T) {
	path, notes := withGcloud(t, notFound)
	s := shell{path: path, env: []string{"GOOGLE_API_KEY=AIzaNotARealKey"}}
	if s.deploy(t, "--project", "my-project", "--image", "x") {
		t.Fatalf("succeeded without the secret:\n%s", s.output)
	}
	for _, want := range []string{"there is no secret google-api-key in my-project", "gcloud secrets create google-api-key", "roles/secretmanager.secretAccessor", "--no-secret"} {
		if !strings.Contains(s.output, want) {
			t.Errorf("output does not say %q:\n%s", want, s.output)
		}
	}
	if calls := read(t, notes); strings.Contains(calls, "create") || strings.Contains(calls, "deploy") {
		t.Errorf("it went on:\n%s", calls)
	}
}

func TestDeploy_makesTheSecretWhenToldTo(t *testing.T) {
	path, notes := withGcloud(t, notFound)
	s := shell{path: path, env: []string{"GOOGLE_API_KEY=AIzaNotARealKey"}}
	if !s.deploy(t, "--project", "my-project", "--image", "x", "--yes") {
		t.Fatalf("failed:\n%s", s.output)
	}
	calls := read(t, notes)
	want := []string{
		"gcloud secrets describe google-api-key --project my-project",
		"gcloud projects describe my-project --format value(projectNumber)",
		"gcloud secrets create google-api-key --project my-project --replication-policy automatic --data-file -",
		"gcloud secrets add-iam-policy-binding google-api-key --project my-project --role roles/secretmanager.secretAccessor --member serviceAccount:123456789-compute@developer.gserviceaccount.com",
		"gcloud run deploy stonepot-api --project my-project --region us-central1 --image x " + settings + " " + production + " " + withKey + " --quiet",
	}
	if got := strings.Split(strings.TrimSpace(calls), "\n"); !slices.Equal(got, want) {
		t.Errorf("calls are\n%s\nwant\n%s", calls, strings.Join(want, "\n"))
	}
	if given := read(t, filepath.Join(path, "given")); given != "stdin: AIzaNotARealKey\n" {
		t.Errorf("the secret was given %q, want the key and no line end", given)
	}
	if strings.Contains(s.output, "NotARealKey") || strings.Contains(calls, "NotARealKey") {
		t.Error("the key was printed or passed as an argument")
	}
}

func TestDeploy_withoutAKeyThereIsNothingToPutIntoTheSecret(t *testing.T) {
	path, notes := withGcloud(t, notFound)
	s := shell{path: path}
	if s.deploy(t, "--project", "my-project", "--image", "x", "--yes") || !strings.Contains(s.output, "there is no key") {
		t.Errorf("says\n%s\nwant that there is no key", s.output)
	}
	if calls := read(t, notes); strings.Contains(calls, "secrets create") {
		t.Errorf("an empty secret was made:\n%s", calls)
	}
}

func TestDeploy_aFailedLookIsNotTakenForAbsence(t *testing.T) {
	path, notes := withGcloud(t, `case "$*" in *describe*) echo 'ERROR: PERMISSION_DENIED: you may not look' >&2; exit 1 ;; esac`)
	s := shell{path: path}
	if !s.deploy(t, "--project", "my-project", "--tag", "v1.2.3", "--yes") {
		t.Fatalf("failed:\n%s", s.output)
	}
	if calls := read(t, notes); strings.Contains(calls, "create") || !strings.Contains(calls, "gcloud run deploy") {
		t.Errorf("calls are\n%s\nwant no create, and the deployment", calls)
	}
	if !strings.Contains(s.output, "PERMISSION_DENIED") {
		t.Errorf("gcloud's own words are lost:\n%s", s.output)
	}
}

func TestDeploy_stopsWhenTheBuildFails(t *testing.T) {
	path, notes := withGcloud(t, `case "$*" in *"builds submit"*) echo 'ERROR: build failed' >&2; exit 1 ;; esac`)
	s := shell{path: path}
	if s.deploy(t, "--project", "my-project", "--tag", "v1.2.3", "--yes") {
		t.Errorf("succeeded:\n%s", s.output)
	}
	if calls := read(t, notes); strings.Contains(calls, "run deploy") {
		t.Errorf("an image that was not built is deployed:\n%s", calls)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file) //nolint:gosec // G304: named in this file
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// cloudBuild is as much of Cloud Build's format as the file uses; anything else in it is a mistake.
type cloudBuild struct {
	Steps []struct {
		ID         string   `yaml:"id"`
		Name       string   `yaml:"name"`
		Entrypoint string   `yaml:"entrypoint"`
		Env        []string `yaml:"env"`
		Args       []string `yaml:"args"`
	} `yaml:"steps"`
	Substitutions map[string]string `yaml:"substitutions"`
	Options       struct {
		DynamicSubstitutions bool   `yaml:"dynamicSubstitutions"`
		Logging              string `yaml:"logging"`
	} `yaml:"options"`
	Timeout string `yaml:"timeout"`
}

func TestCloudBuild_buildsPushesAndDeploys(t *testing.T) {
	text := read(t, "cloudbuild.yaml")
	decoder := yaml.NewDecoder(strings.NewReader(text))
	decoder.KnownFields(true)
	var build cloudBuild
	if err := decoder.Decode(&build); err != nil {
		t.Fatal(err)
	}
	ids := make([]string, len(build.Steps))
	for i, step := range build.Steps {
		ids[i] = step.ID
	}
	if !slices.Equal(ids, []string{"build", "push", "deploy"}) {
		t.Fatalf("steps are %q", ids)
	}

	// Cloud Build refuses a substitution that is used and not declared, or declared and not used.
	used := map[string]bool{}
	for _, match := range regexp.MustCompile(`\$\{(_[A-Z_]+)\}`).FindAllStringSubmatch(text, -1) {
		used[match[1]] = true
		if _, ok := build.Substitutions[match[1]]; !ok {
			t.Errorf("%s is used and has no default", match[1])
		}
	}
	for name := range build.Substitutions {
		if !used[name] {
			t.Errorf("%s is declared and not used", name)
		}
	}
	if regexp.MustCompile(`[^$]\$[a-z(]`).MatchString(build.Steps[2].Args[1]) {
		t.Error("the deploy step uses a shell variable: Cloud Build takes a single $ for its own, write $$")
	}
	if !build.Options.DynamicSubstitutions {
		t.Error("_IMAGE is made of other substitutions, which needs dynamicSubstitutions")
	}

	// The step's script, run with the defaults, must deploy as deploy.sh does by itself.
	values := map[string]string{"PROJECT_ID": "my-project", "BUILD_ID": "v1.2.3"}
	for name, value := range build.Substitutions {
		values[name] = value
	}
	script := expand(expand(expand(build.Steps[2].Args[1], values), values), values)
	path, notes := withGcloud(t, "")
	command := exec.CommandContext(t.Context(), filepath.Join(path, "bash"), build.Steps[2].Args[0], script) //nolint:gosec // G204: our own step
	command.Env = []string{"PATH=" + path}
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("the deploy step fails: %v\n%s", err, output)
	}
	if calls := strings.TrimSpace(read(t, notes)); calls != findSecret+"\n"+deployOurs {
		t.Errorf("the deploy step calls\n%s\nwant\n%s\n%s", calls, findSecret, deployOurs)
	}
}

// expand replaces ${NAME} once, as Cloud Build does.
func expand(text string, values map[string]string) string {
	return regexp.MustCompile(`\$\{[A-Z_]+\}`).ReplaceAllStringFunc(text, func(name string) string {
		return values[name[2:len(name)-1]]
	})
}

func TestDockerfile_keepsItsPromises(t *testing.T) {
	text := read(t, "Dockerfile")
	stages := strings.Split(text, "\nFROM ")
	if len(stages) != 4 {
		t.Fatalf("there are %d stages, want the client, the server and the image", len(stages)-1)
	}
	for _, arg := range []string{"NODE_IMAGE", "GO_IMAGE", "RUNTIME_IMAGE"} {
		if !regexp.MustCompile(`(?m)^ARG ` + arg + `=\S+$`).MatchString(stages[0]) {
			t.Errorf("ARG %s with a default is missing before the first FROM", arg)
		}
	}
	final := stages[3]
	for _, line := range []string{
		"EXPOSE 8080",
		"STOPSIGNAL SIGTERM",
		"USER 65532:65532",
		`HEALTHCHECK --interval=30s --timeout=3s CMD ["/app/stonepot", "healthcheck"]`,
		`ENTRYPOINT ["/app/stonepot"]`,
		"WORKDIR /app",
		"COPY --from=server /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt",
	} {
		if !slices.Contains(strings.Split(final, "\n"), line) {
			t.Errorf("the final stage lacks the line %q", line)
		}
	}
	if regexp.MustCompile(`(?m)^RUN `).MatchString(final) {
		t.Error("the final stage runs a command, for which its base has no shell")
	}
	for _, want := range []string{"RUN npm ci\n", "RUN go run ./static/compress static/dist\n", "-trimpath", "-s -w -X main.version=${VERSION}", "CGO_ENABLED=0"} {
		if !strings.Contains(text, want) {
			t.Errorf("the Dockerfile lacks %q", want)
		}
	}
	for _, secret := range []string{"API_KEY", "OPERATOR_KEY", "RESUME_KEYS"} {
		if strings.Contains(text, secret) {
			t.Errorf("%s has no place in an image", secret)
		}
	}
}

func TestDockerignore_keepsSecretsAndOldPagesOut(t *testing.T) {
	lines := strings.Split(read(t, ".dockerignore"), "\n")
	for _, want := range []string{".git", "**/.env*", "**/node_modules", "client/out", "static/dist/*", "!static/dist/.gitkeep"} {
		if !slices.Contains(lines, want) {
			t.Errorf(".dockerignore lacks %s", want)
		}
	}
}

func TestOperations_explainsEveryReason(t *testing.T) {
	text := read(t, "docs/operations.md")
	_, table, _ := strings.Cut(text, "\n## Why sessions end\n")
	for _, reason := range live.Reasons() {
		found := false
		for line := range strings.Lines(table) {
			first, rest, _ := strings.Cut(strings.TrimPrefix(line, "| "), " | ")
			if !strings.Contains(first, "`"+reason.Code+"`") {
				continue
			}
			found = true
			if reason.Close != 0 && !strings.Contains(rest, strconv.Itoa(reason.Close)) {
				t.Errorf("docs/operations.md does not give %s its close code %d", reason.Code, reason.Close)
			}
			break
		}
		if !found {
			t.Errorf("docs/operations.md does not say what %s means for an operator", reason.Code)
		}
	}
}
