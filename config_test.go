package main

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/stonepot/stonepot/live"
)

// written is a configuration file with this content; it returns its name.
func written(t testing.TB, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func load(t *testing.T, file string, environ ...string) Config {
	t.Helper()
	c, err := loadConfig(file, environ)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestConfig_theShippedFileEqualsNoFile(t *testing.T) {
	shipped, none := load(t, "config.yaml"), load(t, "")
	for _, key := range changedKeys(shipped, none) {
		t.Errorf("config.yaml does not hold the default of %s", key)
	}
	if changed := changedKeys(none, defaultConfig()); changed != nil {
		t.Errorf("loading nothing is not the default: %v", changed)
	}
}

// Every key must be there, with a sentence of its own above it; the keys of rows are told above their list.
func TestConfig_theShippedFileExplainsEveryKey(t *testing.T) {
	data, err := os.ReadFile("config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	var visit func(n *yaml.Node, typ reflect.Type, prefix string)
	visit = func(n *yaml.Node, typ reflect.Type, prefix string) {
		for _, f := range fields(typ) {
			key := joined(prefix, f.name)
			at := slices.IndexFunc(n.Content, func(k *yaml.Node) bool { return k.Value == f.name })
			if at < 0 || at%2 != 0 {
				t.Errorf("config.yaml has no key %s", key)
				continue
			}
			comment := n.Content[at].HeadComment
			if !regexp.MustCompile(`^# [^\n]{12,}[\s\S]*$`).MatchString(comment) {
				t.Errorf("config.yaml: %s has no sentence above it, only %q", key, comment)
			}
			switch {
			case f.typ.Kind() == reflect.Struct:
				visit(n.Content[at+1], f.typ, key)
			case f.typ.Kind() == reflect.Slice && f.typ.Elem().Kind() == reflect.Struct:
				for _, inner := range fields(f.typ.Elem()) {
					if !regexp.MustCompile(`(?m)^# {3}` + inner.name + ` +\S+ \S+`).MatchString(comment) {
						t.Errorf("config.yaml does not explain the key %s of the rows of %s", inner.name, key)
					}
				}
			case !strings.HasSuffix(strings.TrimSpace(comment), "."):
				t.Errorf("config.yaml: what is told of %s does not end: %q", key, comment)
			}
		}
	}
	visit(doc.Content[0], reflect.TypeFor[Config](), "")
}

// testResumeKey is random, as a resume key must be, and opens nothing anywhere.
const testResumeKey = "n2BnxMqnoZqciTkCSJLjJEg1H8H54tUgRElsos1RmZ8="

func TestConfig_whatIsPrintedLoadsAsTheSame(t *testing.T) {
	c := load(t, written(t, "live: {max_sessions: 7}\nassistants: [{name: default, temperature: 0.5, system_instruction: 'yes'}]"),
		"GOOGLE_API_KEY=first-key,second-key", "STONEPOT_OPERATOR_KEY=an-operators-long-key",
		"STONEPOT_RESUME_KEYS="+testResumeKey)
	out, err := yaml.Marshal(node(reflect.ValueOf(c)))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(out), "-key") || strings.Contains(string(out), testResumeKey) {
		t.Errorf("a secret was printed:\n%s", out)
	}
	if changed := changedKeys(c, load(t, written(t, string(out)))); changed != nil {
		t.Errorf("printed and read again, these differ: %v", changed)
	}
}

// Each wrong file gets exactly this answer; FILE stands for its name.
func TestConfig_wrongFiles(t *testing.T) {
	for _, test := range []struct{ name, file, want string }{
		{"not YAML", "live:\n\tmax_sessions: 5", "FILE:2: this is not YAML that can be read: found character that cannot start any token"},
		{"open quote", "live: {default_assistant: \"x}", "FILE: this is not YAML that can be read: found unexpected end of stream"},
		{"not UTF-8", "live: \xff", "FILE: this is not YAML that can be read: invalid leading UTF-8 octet"},
		{"a sentence", "hello", "FILE:1: this is not YAML that can be read: the top level must be sections such as `live:`"},
		{"a list", "- live", "FILE:1: this is not YAML that can be read: the top level must be sections such as `live:`"},
		{"a key twice", "live: {}\nlive: {}", `FILE:2: this is not YAML that can be read: mapping key "live" already defined at line 1`},
		{"two documents", "live: {}\n---\nlive: {}", "FILE: there is a second document after the line ---: a configuration has one"},
		{"a snake that eats itself", "live: &a {upstream: *a}", "FILE: this is not YAML that can be read: anchor 'a' value contains itself"},

		{"unknown section", "colour: red", "FILE:1: there is no key colour"},
		{"unknown key", "live:\n  max_session: 5", "FILE:2: there is no key live.max_session: did you mean live.max_sessions?"},
		{"wrong place", "max_sessions: 5", "FILE:1: there is no key max_sessions: did you mean live.max_sessions?"},
		{"wrong case", "Live: {max_sessions: 5}", "FILE:1: there is no key Live: did you mean live?"},
		{"unknown key of a row", "assistants:\n- nam: x", "FILE:2: there is no key assistants[0].nam: did you mean assistants[0].name?"},
		{"dots in a key", "live.max_sessions: 5", "FILE:1: live.max_sessions must be written as max_sessions in the section live"},
		{"the tag of what is no key", "gemini: {\"-\": [x]}", "FILE:1: there is no key gemini.-"},
		{
			"unknown key by a merge", "limits: &l {max_texts: 5}\naudio: {<<: *l}",
			"FILE:1: there is no key limits.max_texts\nFILE:1: there is no key audio.max_texts",
		},

		{"word for a number", "live: {max_sessions: many}", `FILE:1: live.max_sessions must be a whole number, got "many"`},
		{"text for a number", "live: {max_sessions: '5'}", `FILE:1: live.max_sessions must be a whole number, got "5"`},
		{"half a session", "live: {max_sessions: 1.5}", "FILE:1: live.max_sessions must be a whole number, got 1.5"},
		{"too large for any number", "live: {max_sessions: 99999999999999999999}", "FILE:1: live.max_sessions must be a whole number, got 99999999999999999999"},
		{"too large for 32 bits", "assistants: [{name: a, max_output_tokens: 3000000000}]", "FILE:1: assistants[0].max_output_tokens must be a whole number, got 3000000000"},
		{"bare number for a duration", "limits: {idle_timeout: 300}", "FILE:1: limits.idle_timeout must be a duration such as 30s or 5m, got 300"},
		{"unknown unit", "limits: {idle_timeout: 3 days}", `FILE:1: limits.idle_timeout must be a duration such as 30s or 5m, got "3 days"`},
		{"text for a truth", "server: {security_headers: 'yes'}", `FILE:1: server.security_headers must be true or false, got "yes"`},
		{"number for a text", "vertex: {project_id: 123}", "FILE:1: vertex.project_id must be a text (in quotes if it looks like something else), got 123"},
		{"number in a list", "cors: {allowed_origins: [5]}", "FILE:1: cors.allowed_origins must be a list of texts, got a list"},
		{"section for a number", "live: {max_sessions: {a: b}}", "FILE:1: live.max_sessions must be a whole number, got a section"},
		{"number for a section", "live: 5", "FILE:1: live must be a section with keys of its own, got 5"},
		{"list for a section", "live: {upstream: [1]}", "FILE:1: live.upstream must be a section with keys of its own, got a list"},
		{"section for a list", "models: {id: x}", "FILE:1: models must be a list, got a section"},
		{"number for a row", "models: [5]", "FILE:1: models[0] must be a section with keys of its own, got 5"},

		{"out of range", "live:\n\n  max_sessions: 0", "FILE:3: live.max_sessions must be between 1 and 1000000, got 0"},
		{"duration out of range", "limits: {idle_timeout: 1ms}", "FILE:1: limits.idle_timeout must be between 1s and 24h0m0s, got 1ms"},
		{"not a number", "limits: {audio_rate: .nan}", "FILE:1: limits.audio_rate must be between 1 and 1000000 times real time, got NaN"},
		{"port", "server: {port: 70000}", "FILE:1: server.port must be between 0 and 65535, got 70000"},
		{"environment", "environment: prod", `FILE:1: environment must be one of development, test, staging, production, got "prod"`},
		{"log level", "observability: {log_level: loud}", `FILE:1: observability.log_level must be one of debug, info, warn, error, got "loud"`},
		{"window that outlasts the upstream", "resume: {window: 2m1s}", "FILE:1: resume.window must be between 0s and 2m0s, got 2m1s"},
		{"ticket for a day and more", "resume: {ticket_life: 25h}", "FILE:1: resume.ticket_life must be between 1m0s and 24h0m0s, got 25h0m0s"},
		{"no memory", "resume: {memory: 1000}", "FILE:1: resume.memory must be between 1048576 and 1099511627776 bytes, got 1000"},
		{"small window", "audio: {window: 4096}", "FILE:1: audio.window must be between 8192 and 16777216 bytes, got 4096"},
		{"base URL", "gemini: {base_url: example.com}", `FILE:1: gemini.base_url must begin with http://, https://, ws:// or wss:// and name a host, got "example.com"`},
		{"upstream", "live: {upstream: {close_wait: 1h}}", "FILE:1: live.upstream.close_wait must be between 10ms and 10s, got 1h0m0s"},
		{"pool", "live: {warm_pool: {size: 100}}", "FILE:1: live.warm_pool.size must be between 0 and 64, got 100"},
		{"pool's age", "live:\n  warm_pool: {max_age: 1s}", "FILE:2: live.warm_pool.max_age must be between 5s and 1h0m0s, got 1s"},
		{
			"field that no client can set", "live: {client_may_set: [colour]}",
			`FILE:1: live.client_may_set must list fields of start_session.config ([assistant model voice language systemInstruction userId modality transcription vad audio tools resumable]), got "colour"`,
		},
		{
			"unknown default model", "live: {default_models: {gemini: gemini-0}}",
			`FILE:1: live.default_models.gemini must name an entry of models that lists the backend gemini, got "gemini-0"`,
		},
		{"row without what it needs", "assistants:\n- name: default\n- label: x", `FILE:3: assistants[1].name must be unique and not empty, got ""`},
		{"default that is gone", "assistants: [{name: a}]", `FILE: live.default_assistant must name an entry of assistants, got "default"`},

		{
			"key in the file", "gemini:\n  api_key: AIzaSyA-1234567890123456789012345678901",
			"FILE:2: gemini.api_key is a secret, which must not stand in a file: set GOOGLE_API_KEY in the environment",
		},
		{"variable in the file", "GOOGLE_API_KEY: abc", "FILE:1: GOOGLE_API_KEY is a secret, which must not stand in a file: set GOOGLE_API_KEY in the environment"},
		{
			"operator's key in the file", "auth: {operator_key: abc}",
			"FILE:1: auth.operator_key is a secret, which must not stand in a file: set STONEPOT_OPERATOR_KEY in the environment",
		},
		{
			"resume keys in the file", "resume: {keys: [abc]}",
			"FILE:1: resume.keys is a secret, which must not stand in a file: set STONEPOT_RESUME_KEYS in the environment",
		},
		{
			"resume keys by their variable", "STONEPOT_RESUME_KEYS: abc",
			"FILE:1: STONEPOT_RESUME_KEYS is a secret, which must not stand in a file: set STONEPOT_RESUME_KEYS in the environment",
		},
		{
			"key in disguise", "gemini: {base_url: 'https://example.com/?key=AIzaSyA-1234567890123456789012345678901'}",
			"FILE:1: gemini.base_url holds a secret, which must not stand in a file: set it in the environment",
		},
		{
			"three problems", "live: {max_sessions: a}\ncolour: red\nlimits: {idle_timeout: 5}",
			"FILE:1: live.max_sessions must be a whole number, got \"a\"\nFILE:2: there is no key colour\nFILE:3: limits.idle_timeout must be a duration such as 30s or 5m, got 5",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := written(t, test.file)
			_, err := loadConfig(file, nil)
			if err == nil {
				t.Fatal("it was accepted")
			}
			if got := strings.ReplaceAll(err.Error(), file, "FILE"); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

func TestConfig_wrongVariables(t *testing.T) {
	for _, test := range []struct{ name, variable, want string }{
		{"word for a port", "PORT=http", `PORT must be a whole number, got "http"`},
		{"port out of range", "PORT=99999", "PORT: server.port must be between 0 and 65535, got 99999"},
		{"number", "STONEPOT_LIVE_MAX_SESSIONS=1e3", `STONEPOT_LIVE_MAX_SESSIONS must be a whole number, got "1e3"`},
		{"duration", "STONEPOT_LIMITS_IDLE_TIMEOUT=5", `STONEPOT_LIMITS_IDLE_TIMEOUT must be a duration such as 30s or 5m, got "5"`},
		{"truth", "STONEPOT_SERVER_SECURITY_HEADERS=maybe", `STONEPOT_SERVER_SECURITY_HEADERS must be true or false, got "maybe"`},
		{"environment", "NODE_ENV=live", `NODE_ENV: environment must be one of development, test, staging, production, got "live"`},
		{"location", "LOCATION=us-central1,Mars", `LOCATION: vertex.locations[1] must be a location such as us-central1, global, us or eu, got "Mars"`},
		{"project", "PROJECT_ID=my project", `PROJECT_ID: vertex.project_id must be a Google Cloud project id such as my-project-123, got "my project"`},
		{"voice", "VERTEX_AI_VOICE_NAME=Bob", `VERTEX_AI_VOICE_NAME: assistants[0].voice must be one of live.voices, got "Bob"`},
		{"key with a space", "GOOGLE_API_KEY=my key", "the API key number 1 is empty or holds characters that no key has: set GOOGLE_API_KEY to the key alone"},
		{
			"weak resume key", "STONEPOT_RESUME_KEYS=" + testResumeKey + ",hunter2",
			"STONEPOT_RESUME_KEYS must hold keys of at least 32 random bytes in base64 or hex, and the key number 2 looks like words: `openssl rand -base64 32` makes one",
		},
		{"short operator's key", "STONEPOT_OPERATOR_KEY=1234", "STONEPOT_OPERATOR_KEY must have at least 16 characters, it has 4"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := loadConfig("config.yaml", []string{test.variable})
			if err == nil || err.Error() != test.want {
				t.Errorf("got\n%v\nwant\n%s", err, test.want)
			}
		})
	}
}

func TestConfig_environmentOverFileOverDefault(t *testing.T) {
	file := written(t, "server: {port: 1000}\nlive: {max_sessions: 10, connect_timeout: 3s}\nvertex: {locations: [us-east1]}")
	c := load(t, file, "PORT=2000", "STONEPOT_LIVE_MAX_SESSIONS=20", "LOCATION=us-central1, europe-west4", "PROJECT_ID=p1",
		"NODE_ENV=production", "GOOGLE_API_KEY=a,b", "STONEPOT_RESUME_KEYS="+testResumeKey+", "+testResumeKey, "STONEPOT_LIVE_UPSTREAM_PING_INTERVAL=0", "STONEPOT_LIMITS_AUDIO_RATE=2.5",
		"STONEPOT_AUDIO_INBOX=", "VERTEX_AI_VOICE_NAME=Puck", "VERTEX_AI_MODEL=gemini-9-text")
	for _, test := range []struct {
		key       string
		got, want any
	}{
		{"server.port", c.Server.Port, 2000},
		{"live.max_sessions", c.Live.MaxSessions, 20},
		{"live.connect_timeout", c.Live.ConnectTimeout, 3 * time.Second},
		{"live.silence_interval", c.Live.SilenceInterval, defaultConfig().Live.SilenceInterval},
		{"live.upstream.ping_interval", c.Live.Upstream.PingInterval, time.Duration(0)},
		{"limits.audio_rate", c.Limits.AudioRate, 2.5},
		{"audio.inbox, empty and so unset", c.Audio.Inbox, defaultConfig().Audio.Inbox},
		{"vertex.locations", strings.Join(c.Vertex.Locations, " "), "us-central1 europe-west4"},
		{"vertex.project_id", c.Vertex.ProjectID, "p1"},
		{"environment", c.Environment, production},
		{"keys", strings.Join(c.Gemini.APIKeys, " "), "a b"},
		{"resume keys", strings.Join(c.Resume.Keys, " "), testResumeKey + " " + testResumeKey},
		{"voice", c.Assistants[0].Voice, "Puck"},
		{"chat.default_models.vertex", c.Chat.DefaultModels.Vertex, "gemini-9-text"},
	} {
		if test.got != test.want {
			t.Errorf("%s is %v, want %v", test.key, test.got, test.want)
		}
	}
	if c := load(t, file, "PORT=2000", "STONEPOT_SERVER_PORT=3000"); c.Server.Port != 3000 {
		t.Errorf("server.port is %d: the variable of the key itself must win over PORT", c.Server.Port)
	}
	if defaultConfig().Assistants[0].Voice != "Kore" {
		t.Error("a variable changed the defaults of the process")
	}
}

func TestConfig_aModelOfTheDayIsAddedToTheTable(t *testing.T) {
	c := load(t, "config.yaml", "GEMINI_LIVE_MODEL=gemini-9-live", "VERTEX_AI_LIVE_MODEL=gemini-3.1-flash-live-preview")
	gemini := c.Models[len(c.Models)-1]
	want := c.Models[0]
	want.ID, want.Label, want.Backends = "gemini-9-live", "gemini-9-live", []string{"gemini"}
	if !reflect.DeepEqual(gemini, want) {
		t.Errorf("the new row is %+v,\nwant the default one's %+v", gemini, want)
	}
	if at := slices.IndexFunc(c.Models, func(m live.Model) bool { return m.ID == "gemini-3.1-flash-live-preview" }); !slices.Contains(c.Models[at].Backends, "vertex") {
		t.Errorf("a model known elsewhere was not added to the backend that asked for it: %+v", c.Models[at])
	}
	if n := len(load(t, "config.yaml", "GEMINI_LIVE_MODEL=gemini-3.8-live").Models); n != len(defaultConfig().Models) {
		t.Errorf("naming a known model made %d rows", n)
	}
}

func TestConfig_everyKeyHasAVariableOfItsOwn(t *testing.T) {
	taken := map[string]string{}
	for _, key := range allKeys() {
		name := variableOf(key)
		if other, ok := taken[name]; ok {
			t.Errorf("%s would set both %s and %s", name, key, other)
		}
		taken[name] = key
	}
}

func TestConfig_notesVariablesThatSetNothing(t *testing.T) {
	got := notes([]string{"STONEPOT_LIVE_MAX_SESSION=4", "STONEPOT_LIVE_MAX_SESSIONS=4", "STONEPOT_PORT_8080_TCP=tcp://10.0.0.1:8080", "STONEPOT_RESUME_KEYS=x", "STONEPOT_RESUME_KEY=x", "HOME=/", "STONEPOT_CONFIG=x"})
	want := []string{
		"the variable STONEPOT_LIVE_MAX_SESSION sets nothing: did you mean STONEPOT_LIVE_MAX_SESSIONS?",
		"the variable STONEPOT_RESUME_KEY sets nothing: did you mean STONEPOT_RESUME_KEYS?",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestConfig_emptyFilesAndSectionsHaveTheDefaults(t *testing.T) {
	for _, content := range []string{"", "# nothing\n", "---\n", "{}", "live:\n", "live: ~\nmodels:\n", "live: {upstream: }"} {
		if changed := changedKeys(load(t, written(t, content)), defaultConfig()); changed != nil {
			t.Errorf("%q changed %v", content, changed)
		}
	}
	if _, err := loadConfig(filepath.Join(t.TempDir(), "none.yaml"), nil); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("a missing file: %v", err)
	}
	if _, err := loadConfig(written(t, strings.Repeat("#", maxConfigBytes+1)), nil); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("a huge file: %v", err)
	}
}

func TestWatchFile_tellsOfEachChangeOnceTheFileRests(t *testing.T) {
	file := written(t, "live: {max_sessions: 1}")
	changes, done := make(chan struct{}, 16), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	known := stateOf(file)
	go func() {
		defer close(done)
		watchFile(ctx, file, known, time.Millisecond, func() { changes <- struct{}{} })
	}()
	for i := range 3 {
		// As editors do it: another file takes the place of the first. The length differs, so that a coarse clock does no harm.
		next := written(t, "live: {max_sessions: 1"+strings.Repeat("0", i+1)+"}")
		if err := os.Rename(next, file); err != nil {
			t.Fatal(err)
		}
		<-changes
	}
	cancel()
	<-done
}

// Whatever the file holds, loading it gives a configuration that is valid or an error, and never panics.
func FuzzLoadConfig(f *testing.F) {
	shipped, err := os.ReadFile("config.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(shipped)
	for _, s := range []string{
		"live: {max_sessions: 5}", "live: &a {upstream: {<<: *a}}", "a: &a [*a]", "models: [{1: 2}, ~, 3]", "? [a]\n: b", "live: !!binary aGk=",
		"server: {port: 0x10}", "limits: {audio_rate: .inf}", "x: &x {}\nlive: {<<: [*x, *x]}", "assistants: [{name: &n a}, {name: *n}]",
		"tools: {timeout: 2026-11-23}", "live: {voices: [1, a]}", "live: {voices: {a: b}}", "~: 1", "live: {~: 1}", "models: !!set {a, b}",
	} {
		f.Add([]byte(s))
	}
	file := filepath.Join(f.TempDir(), "config.yaml")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := loadConfig(file, nil)
		if err == nil {
			err = c.validate()
			if err != nil {
				t.Errorf("accepted, yet not valid: %v", err)
			}
		}
	})
}
