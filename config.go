package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"
	"go.yaml.in/yaml/v3"

	"github.com/stonepot/stonepot/handlers"
	"github.com/stonepot/stonepot/live"
	"github.com/stonepot/stonepot/live/gemini"
	"github.com/stonepot/stonepot/live/simulator"
	"github.com/stonepot/stonepot/static"
)

// Config is the Config of every package, composed: one section of config.yaml each. It is made by loadConfig, handed
// out in parts by main, and never changed afterwards.
type Config struct {
	Environment   string                `mapstructure:"environment"`
	Server        handlers.ServerConfig `mapstructure:"server"`
	Static        static.Config         `mapstructure:"static"`
	CORS          handlers.CORSConfig   `mapstructure:"cors"`
	Auth          handlers.AuthConfig   `mapstructure:"auth"`
	Limits        live.Limits           `mapstructure:"limits"`
	Audio         live.Audio            `mapstructure:"audio"`
	Live          liveSection           `mapstructure:"live"`
	Gemini        gemini.GeminiConfig   `mapstructure:"gemini"`
	Vertex        gemini.VertexConfig   `mapstructure:"vertex"`
	Simulator     simulator.Config      `mapstructure:"simulator"`
	Chat          handlers.ChatConfig   `mapstructure:"chat"`
	Models        []live.Model          `mapstructure:"models"`
	Assistants    []live.Assistant      `mapstructure:"assistants"`
	Resume        live.Resumption       `mapstructure:"resume"`
	Tools         live.Tools            `mapstructure:"tools"`
	Observability Observability         `mapstructure:"observability"`
}

// liveSection is the core's own section and, in it, how the connections to the models are kept, and kept ready.
type liveSection struct {
	live.Settings `mapstructure:",squash"`
	Upstream      gemini.DialConfig `mapstructure:"upstream"`
	WarmPool      gemini.PoolConfig `mapstructure:"warm_pool"`
}

// Observability is the section `observability`.
type Observability struct {
	LogLevel  string `mapstructure:"log_level"`  // debug, info, warn or error
	LogFormat string `mapstructure:"log_format"` // json, text, or auto: json in production, text elsewhere
}

// production is the environment in which nothing is pretended: no simulator stands in for a model.
const production = "production"

func defaultConfig() Config {
	core := live.DefaultConfig()
	return Config{
		Environment:   "development",
		Server:        handlers.DefaultServerConfig(),
		Static:        static.DefaultConfig(),
		CORS:          handlers.DefaultCORSConfig(),
		Auth:          handlers.DefaultAuthConfig(),
		Limits:        core.Limits,
		Audio:         core.Audio,
		Live:          liveSection{core.Live, gemini.DefaultDialConfig(), gemini.DefaultPoolConfig()},
		Gemini:        gemini.DefaultGeminiConfig(),
		Vertex:        gemini.DefaultVertexConfig(),
		Simulator:     simulator.DefaultConfig(),
		Chat:          handlers.DefaultChatConfig(),
		Models:        core.Models,
		Assistants:    core.Assistants,
		Resume:        core.Resume,
		Tools:         core.Tools,
		Observability: Observability{LogLevel: "info", LogFormat: "auto"},
	}
}

// core is the part of the session core. It is what a change of the file brings into effect without a restart.
func (c Config) core() live.Config {
	return live.Config{
		Limits: c.Limits, Audio: c.Audio, Live: c.Live.Settings, Resume: c.Resume, Tools: c.Tools, Models: c.Models, Assistants: c.Assistants,
	}
}

// validate reports every value that is out of range, each in a sentence that begins with its key.
func (c Config) validate() error {
	return errors.Join(
		oneOf("environment", c.Environment, "development", "test", "staging", production),
		c.Server.Validate(),
		c.Static.Validate(),
		c.CORS.Validate(),
		c.Auth.Validate(),
		c.core().Validate(),
		c.Live.Upstream.Validate(),
		c.Live.WarmPool.Validate(),
		c.Gemini.Validate(),
		c.Vertex.Validate(),
		c.Simulator.Validate(),
		c.Chat.Validate(),
		oneOf("observability.log_level", c.Observability.LogLevel, "debug", "info", "warn", "error"),
		oneOf("observability.log_format", c.Observability.LogFormat, "auto", "json", "text"),
	)
}

func oneOf(key, got string, allowed ...string) error {
	if slices.Contains(allowed, got) {
		return nil
	}
	return fmt.Errorf("%s must be one of %s, got %q", key, strings.Join(allowed, ", "), got)
}

// variables are the names that people already have in their environments, and the keys that they set.
// STONEPOT_<SECTION>_<KEY> sets any other key that holds no list of sections, and wins over these.
var variables = []struct{ name, key string }{
	{"NODE_ENV", "environment"},
	{"PORT", "server.port"},
	{"PROJECT_ID", "vertex.project_id"},
	{"LOCATION", "vertex.locations"},
	{"GEMINI_LIVE_MODEL", "live.default_models.gemini"},
	{"VERTEX_AI_LIVE_MODEL", "live.default_models.vertex"},
	{"VERTEX_AI_MODEL", "chat.default_models.vertex"},
}

// secrets come from the environment and from nowhere else, and are never printed.
var secrets = []struct {
	name string
	set  func(*Config, string)
	has  func(Config) bool
}{
	{
		"GOOGLE_API_KEY",
		func(c *Config, s string) { c.Gemini.APIKeys = commaList(s) },
		func(c Config) bool { return len(c.Gemini.APIKeys) > 0 },
	},
	{
		"STONEPOT_OPERATOR_KEY",
		func(c *Config, s string) { c.Auth.OperatorKey = s },
		func(c Config) bool { return c.Auth.OperatorKey != "" },
	},
	{
		resumeKeys,
		func(c *Config, s string) { c.Resume.Keys = commaList(s) },
		func(c Config) bool { return len(c.Resume.Keys) > 0 },
	},
}

const (
	envPrefix      = "STONEPOT_"
	resumeKeys     = envPrefix + "RESUME_KEYS"
	maxConfigBytes = 1 << 20
)

// loadConfig reads the file, unless its name is empty, and then the environment in os.Environ's form; what neither
// sets has its default. The error joins one sentence for each problem, in the order of the file, each naming the
// file and line or the variable, and the key. A Config that comes with an error is only good to be looked at.
func loadConfig(file string, environ []string) (Config, error) {
	l := &loader{file: file, env: environment(environ), viper: viper.New(), from: map[string]string{}, replaced: map[string]any{}}
	return l.load()
}

// loader is one reading of the configuration.
type loader struct {
	file     string
	env      map[string]string
	viper    *viper.Viper
	root     *yaml.Node        // the file's top level; nil if there is none
	from     map[string]string // which variable set a key
	replaced map[string]any    // and what the file or the default said there
	problems []error
}

func (l *loader) load() (Config, error) {
	walk(reflect.ValueOf(defaultConfig()), "", func(key string, v reflect.Value) { l.viper.SetDefault(key, v.Interface()) })
	if l.file != "" {
		if err := l.readFile(); err != nil {
			return defaultConfig(), err
		}
	}
	l.readEnvironment()
	if len(l.problems) > 0 {
		return defaultConfig(), errors.Join(l.problems...)
	}
	var c Config
	// What the file holds was checked by check, which knows the lines; this is what makes the check complete.
	err := l.viper.UnmarshalExact(&c, viper.DecodeHook(mapstructure.DecodeHookFuncValue(decodeHook)), strictly)
	if err != nil {
		return defaultConfig(), fmt.Errorf("%s: %w", l.file, err)
	}
	for _, s := range secrets {
		if v := l.env[s.name]; v != "" {
			s.set(&c, v)
		}
	}
	l.addModel(&c, "live.default_models.gemini", live.BackendGemini, c.Live.DefaultModels.Gemini)
	l.addModel(&c, "live.default_models.vertex", live.BackendVertex, c.Live.DefaultModels.Vertex)
	l.setVoice(&c)
	if err := c.validate(); err != nil {
		for _, e := range flatten(err) {
			l.problems = append(l.problems, l.located(e))
		}
	}
	return c, errors.Join(l.problems...)
}

func strictly(c *mapstructure.DecoderConfig) { c.WeaklyTypedInput = false }

// readFile gives the file to viper and checks its keys, types and secrets. The error is one that leaves nothing to check.
func (l *loader) readFile() error {
	f, err := os.Open(l.file)
	if err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read from
	data, err := io.ReadAll(io.LimitReader(f, maxConfigBytes+1))
	if err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	if len(data) > maxConfigBytes {
		return fmt.Errorf("%s is larger than a configuration may be (%d bytes)", l.file, maxConfigBytes)
	}
	// viper could parse the file itself, but the lines are wanted too, and parsing it twice is a tenth of the start.
	var doc yaml.Node
	in := yaml.NewDecoder(bytes.NewReader(data))
	if err := in.Decode(&doc); errors.Is(err, io.EOF) {
		return nil // nothing but comments
	} else if err != nil {
		return notYAML(l.file, err)
	}
	var values map[string]any
	if err := doc.Decode(&values); err != nil {
		return notYAML(l.file, err)
	}
	if err := l.viper.MergeConfigMap(values); err != nil {
		return notYAML(l.file, err)
	}
	if err := in.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: there is a second document after the line ---: a configuration has one", l.file)
	}
	l.root = doc.Content[0]
	l.check(l.root, reflect.TypeFor[Config](), "")
	return nil
}

// readEnvironment sets the keys for which there is a variable.
func (l *loader) readEnvironment() {
	names := map[string][]string{}
	for _, v := range variables {
		names[v.key] = append(names[v.key], v.name)
	}
	walk(reflect.ValueOf(Config{}), "", func(key string, v reflect.Value) {
		if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct {
			return
		}
		for _, name := range append([]string{variableOf(key)}, names[key]...) {
			text := l.env[name]
			if text == "" {
				continue
			}
			value, ok := parse(text, v.Type())
			if !ok {
				l.problems = append(l.problems, fmt.Errorf("%s must be %s, got %.60q", name, wanted(v.Type()), text))
			}
			l.from[key], l.replaced[key] = name, l.viper.Get(key)
			l.viper.Set(key, value)
			return
		}
	})
}

// setVoice gives the default assistant the voice that people have been naming in a variable of its own. The voices of
// both backends are the same.
func (l *loader) setVoice(c *Config) {
	const name = "VERTEX_AI_VOICE_NAME"
	at := slices.IndexFunc(c.Assistants, func(a live.Assistant) bool { return a.Name == c.Live.DefaultAssistant })
	if l.env[name] == "" || at < 0 {
		return
	}
	c.Assistants = slices.Clone(c.Assistants)
	c.Assistants[at].Voice = l.env[name]
	l.from[fmt.Sprintf("assistants[%d].voice", at)] = name
}

// addModel lets a variable name a model that the table does not know, so that a new model works on the day it appears:
// it is taken to be like the default one that it replaces. The file must spell its models out.
func (l *loader) addModel(c *Config, key, backend, id string) {
	if l.from[key] == "" {
		return
	}
	at := slices.IndexFunc(c.Models, func(m live.Model) bool { return m.ID == id })
	if at >= 0 && slices.Contains(c.Models[at].Backends, backend) {
		return
	}
	if at >= 0 {
		c.Models = slices.Clone(c.Models)
		c.Models[at].Backends = append(slices.Clone(c.Models[at].Backends), backend)
		return
	}
	usual := l.replaced[key]
	at = slices.IndexFunc(c.Models, func(m live.Model) bool { return m.ID == usual && slices.Contains(m.Backends, backend) })
	if at < 0 {
		return // validate says what is wrong with the table
	}
	row := c.Models[at]
	row.ID, row.Label, row.Backends = id, id, []string{backend}
	c.Models = append(slices.Clone(c.Models), row)
}

// notes are what an operator should know of the environment though it stops nothing: variables that look like keys of
// Stonepot and set none.
func notes(environ []string) (lines []string) {
	names := []string{envPrefix + "CONFIG", envPrefix + "OPERATOR_KEY", resumeKeys}
	for _, key := range allKeys() {
		names = append(names, variableOf(key))
	}
	for name := range environment(environ) {
		if !strings.HasPrefix(name, envPrefix) || slices.Contains(names, name) {
			continue
		}
		if near := nearest(name, names); near != "" {
			lines = append(lines, fmt.Sprintf("the variable %s sets nothing: did you mean %s?", name, near))
		}
	}
	slices.Sort(lines)
	return lines
}

// environment makes a table of os.Environ's form.
func environment(environ []string) map[string]string {
	table := make(map[string]string, len(environ))
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		table[name] = value
	}
	return table
}

// flatten takes joined errors apart.
func flatten(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, flatten(e)...)
	}
	return all
}
