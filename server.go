package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
	"golang.org/x/oauth2"

	"github.com/stonepot/stonepot/handlers"
	"github.com/stonepot/stonepot/live"
	"github.com/stonepot/stonepot/live/gemini"
	"github.com/stonepot/stonepot/live/simulator"
	"github.com/stonepot/stonepot/routes"
	"github.com/stonepot/stonepot/static"
)

// server is a whole Stonepot: built by newServer, which listens already, and run once.
type server struct {
	// Static after newServer.
	file     string
	environ  []string
	seen     fileState // the version of the file that config is
	log      *slog.Logger
	level    *slog.LevelVar
	listener net.Listener
	app      *fiber.App
	api      *handlers.API
	gateway  *live.Gateway
	started  Config            // what needs a restart to change is as it is here
	closers  []io.Closer       // dialers and chats
	standIn  *simulator.Server // nil where every backend has credentials, and in production
	lookEach time.Duration     // at the file

	config Config // what is in effect; owned by Run once that has begun
}

// newServer loads the configuration, builds everything that it asks for, and opens the port: from here on connections
// wait to be served. Run must follow.
func newServer(file string, environ []string, logs io.Writer) (_ *server, err error) {
	seen := stateOf(file)
	cfg, err := loadConfig(file, environ)
	if err != nil {
		return nil, err
	}
	s := &server{file: file, environ: environ, seen: seen, level: new(slog.LevelVar), started: cfg, config: cfg, lookEach: time.Second}
	s.log = newLogger(cfg, logs, s.level)
	for _, n := range notes(environ) {
		s.log.Warn(n)
	}
	if s.listener, err = handlers.Listen(context.Background(), cfg.Server); err != nil {
		return nil, portTaken(err, "PORT or server.port", cfg.Server.Port)
	}
	defer func() {
		if err != nil {
			s.closeAll()
			s.listener.Close() //nolint:errcheck,gosec // err is what matters
		}
	}()
	site, err := static.New(cfg.Static, s.log)
	if err != nil {
		return nil, err
	}
	backends, chats, err := s.backends()
	if err != nil {
		return nil, err
	}
	s.gateway = live.NewGateway(cfg.core(), backends, s.log)
	s.api = handlers.New(handlers.Deps{
		Gateway: s.gateway, Chats: chats, Server: cfg.Server, CORS: cfg.CORS, Auth: cfg.Auth, Chat: cfg.Chat, Version: version, Log: s.log,
	})
	s.app = handlers.NewApp(cfg.Server, s.log)
	routes.Mount(s.app, routes.Deps{API: s.api, Pages: site.Handler(), PagePolicy: site.ContentSecurityPolicy})
	s.log.Info("stonepot starts", "version", version, "environment", cfg.Environment, "config", file, "url", s.URL())
	s.noteResumeKeys()
	return s, nil
}

// noteResumeKeys says what a missing key means. A laptop has one instance, and needs none.
func (s *server) noteResumeKeys() {
	if len(s.started.Resume.Keys) > 0 {
		return
	}
	level := slog.LevelInfo
	if s.started.Environment == production {
		level = slog.LevelWarn
	}
	s.log.Log(context.Background(), level, resumeKeys+" is not set: conversations can be resumed on this instance only, and not after its end")
}

// URL is where a person on this machine finds the page.
func (s *server) URL() string {
	host := s.started.Server.Host
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	_, port, _ := net.SplitHostPort(s.listener.Addr().String())
	return "http://" + net.JoinHostPort(host, port)
}

// pretence says for people which models are not real.
func (s *server) pretence() string {
	if s.standIn == nil {
		return ""
	}
	simulated := func(name string) bool { b, ok := s.gateway.Backend(name); return ok && b.Simulated }
	switch {
	case !simulated(live.BackendGemini):
		return " (Vertex AI is simulated: PROJECT_ID is not set)"
	case !simulated(live.BackendVertex):
		return " (the Gemini API is simulated: GOOGLE_API_KEY is not set)"
	default:
		return " and talks to the simulator: no key is set"
	}
}

// backends builds the dialers. One without credentials is served by the simulator or, in production, not at all.
func (s *server) backends() ([]live.Backend, map[string]handlers.Chat, error) {
	cfg, chats := s.started, map[string]handlers.Chat{}
	dial := cfg.Live.Upstream
	dial.WarmPool = cfg.Live.WarmPool
	var all []live.Backend
	geminiMissing, vertexMissing := len(cfg.Gemini.APIKeys) == 0, cfg.Vertex.ProjectID == ""
	var tokens oauth2.TokenSource // nil: Application Default Credentials
	if (geminiMissing || vertexMissing) && cfg.Environment != production {
		if err := s.startSimulator(); err != nil {
			return nil, nil, err
		}
	}
	if geminiMissing && s.standIn != nil {
		cfg.Gemini.BaseURL, cfg.Gemini.APIKeys = s.standIn.URL(), []string{"simulator"}
	}
	if vertexMissing && s.standIn != nil {
		cfg.Vertex.BaseURL, cfg.Vertex.ProjectID = s.standIn.URL(), "simulator"
		tokens = oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "simulator"})
	}
	if geminiMissing || vertexMissing {
		s.log.Warn("a backend has no credentials", "gemini", standing(geminiMissing, s.standIn, "GOOGLE_API_KEY"),
			"vertex", standing(vertexMissing, s.standIn, "PROJECT_ID"))
	}
	if len(cfg.Gemini.APIKeys) > 0 {
		dialer, err := gemini.NewGemini(cfg.Gemini, dial, s.log)
		if err != nil {
			return nil, nil, err
		}
		s.closers = append(s.closers, dialer)
		all = append(all, live.Backend{Name: live.BackendGemini, Workflow: "gemini-live", Dialer: dialer, Simulated: geminiMissing, Pool: dialer})
		c, err := gemini.NewGeminiChat(cfg.Gemini)
		if err != nil {
			return nil, nil, err
		}
		chats[live.BackendGemini] = s.chat(c)
	}
	if cfg.Vertex.ProjectID != "" {
		dialer, err := gemini.NewVertex(cfg.Vertex, dial, tokens, s.log)
		if err != nil {
			return nil, nil, err
		}
		s.closers = append(s.closers, dialer)
		all = append(all, live.Backend{Name: live.BackendVertex, Workflow: "vertex-ai-live", Dialer: dialer, Simulated: vertexMissing, Pool: dialer})
		c, err := gemini.NewVertexChat(context.Background(), cfg.Vertex, tokens)
		if err != nil {
			return nil, nil, err
		}
		chats[live.BackendVertex] = s.chat(c)
	}
	return all, chats, nil
}

// standing says in the log how a backend stands.
func standing(missing bool, standIn *simulator.Server, variable string) string {
	switch {
	case !missing:
		return "real"
	case standIn != nil:
		return "simulated: " + variable + " is not set"
	default:
		return "refused: " + variable + " is not set"
	}
}

func (s *server) startSimulator() (err error) {
	if s.standIn, err = simulator.New(s.started.Simulator, s.log); err != nil {
		return err
	}
	return s.standIn.Listen("127.0.0.1:0")
}

// chatOf lets the handlers, which know no model, talk to one.
type chatOf struct{ gemini.Chat }

func (c chatOf) Stream(ctx context.Context, r handlers.ChatRequest, yield func(text string) error) (live.Usage, error) {
	return c.Chat.Stream(ctx, gemini.ChatRequest(r), yield)
}

func (s *server) chat(c gemini.Chat) handlers.Chat {
	if closer, ok := c.(io.Closer); ok {
		s.closers = append(s.closers, closer)
	}
	return chatOf{c}
}

// Run serves until ctx ends, and then ends every conversation in an orderly way within server.shutdown_grace. It returns nil
// after such an end.
func (s *server) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if s.file != "" {
		wg.Go(func() { watchFile(ctx, s.file, s.seen, s.lookEach, s.reload) })
	}
	if environment(s.environ)["GOGC"] == "" {
		wg.Go(func() { new(tidy).run(ctx, tidyEach) })
	}
	failed := make(chan error, 1)
	wg.Go(func() { failed <- s.app.Listener(s.listener) })
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
		err = fmt.Errorf("serve HTTP: %w", err)
	}
	s.shutdown()
	return err
}

// shutdown tells everybody, waits for them, and lets nothing run on. What does not end in time is dropped and told in the
// log: it is no failure of the process.
func (s *server) shutdown() {
	grace := s.started.Server.ShutdownGrace
	s.log.Info("stonepot ends", "sessions", s.gateway.Stats().Active, "graceMs", grace.Milliseconds())
	end, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	sessions, cancelSessions := context.WithTimeout(end, max(grace-time.Second, grace/2))
	defer cancelSessions()
	for _, err := range []error{
		s.gateway.Drain(sessions), // from its first moment /ready says 503
		s.api.Shutdown(end),
		s.app.ShutdownWithContext(end),
	} {
		if err != nil {
			s.log.Warn("not everything ended within server.shutdown_grace", "error", err)
		}
	}
	s.listener.Close() //nolint:errcheck,gosec // the app has closed it, unless it had not yet begun to serve
	s.closeAll()
	s.log.Info("stonepot has ended")
}

// closeAll ends what connects to models, which takes live.upstream.close_wait; conversations are over by then.
func (s *server) closeAll() {
	var wg sync.WaitGroup
	for _, c := range s.closers {
		wg.Go(func() {
			if err := c.Close(); err != nil {
				s.log.Warn("close a connection to a model", "error", err)
			}
		})
	}
	wg.Wait()
	if s.standIn != nil {
		if err := s.standIn.Close(); err != nil {
			s.log.Warn("close the simulator", "error", err)
		}
	}
}

// hot are the sections and keys that hold for new sessions as soon as the file says so.
var hot = []string{"limits", "audio", "live", "resume", "tools", "models", "assistants", "observability.log_level"}

// isHot says whether a change of a key needs no restart.
func isHot(key string) bool {
	return !strings.HasPrefix(key, "live.upstream.") && !strings.HasPrefix(key, "live.warm_pool.") &&
		slices.ContainsFunc(hot, func(h string) bool { return key == h || strings.HasPrefix(key, h+".") })
}

// reload takes over what may change while conversations go on. A wrong file changes nothing.
func (s *server) reload() {
	next, err := loadConfig(s.file, s.environ)
	if err != nil {
		for _, e := range flatten(err) {
			s.log.Error("the changed configuration is not used", "error", e)
		}
		return
	}
	changed := slices.DeleteFunc(changedKeys(s.config, next), func(key string) bool { return !isHot(key) })
	late := slices.DeleteFunc(changedKeys(s.started, next), isHot)
	s.config = next
	s.level.Set(logLevel(next))
	s.gateway.Reconfigure(next.core())
	s.log.Info("the changed configuration holds for new sessions", "changed", changed)
	if len(late) > 0 {
		s.log.Warn("some changes of the configuration need a restart", "keys", late)
	}
}

func logLevel(c Config) (l slog.Level) {
	_ = l.UnmarshalText([]byte(c.Observability.LogLevel)) // validate has seen it
	return l
}

func (c Config) logsJSON() bool {
	f := c.Observability.LogFormat
	return f == "json" || f == "auto" && c.Environment == production
}

// newLogger makes the log: lines for people, or the objects that Cloud Logging reads
// (https://cloud.google.com/logging/docs/structured-logging). level is set, and can be changed later.
func newLogger(c Config, w io.Writer, level *slog.LevelVar) *slog.Logger {
	level.Set(logLevel(c))
	if !c.logsJSON() {
		return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
	}
	project := c.Vertex.ProjectID
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		switch {
		case len(groups) > 0:
		case a.Key == slog.LevelKey:
			severity := a.Value.String()
			if severity == slog.LevelWarn.String() {
				severity = "WARNING"
			}
			return slog.String("severity", severity)
		case a.Key == slog.MessageKey:
			a.Key = "message"
		case a.Key == "trace" && a.Value.String() == "":
			return slog.Attr{}
		case a.Key == "trace" && project != "":
			id, _, _ := strings.Cut(a.Value.String(), "/")
			return slog.String("logging.googleapis.com/trace", "projects/"+project+"/traces/"+id)
		}
		return a
	}}))
}
