// Stonepot lets a person talk with a Google live model from a web page. See README.md.
//
// This package ties the others together: it reads the configuration, builds what it asks for, and ends it in order.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"reflect"
	"strconv"
	"sync"
	"syscall"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/stonepot/stonepot/heap"
	"github.com/stonepot/stonepot/live/simulator"
)

// version is set by the build: -ldflags "-X main.version=…".
var version = "dev"

const usage = `Stonepot lets a person talk with a Google live model from a web page.

  stonepot [serve] [--config file]                   serves the page, the API and the voice WebSockets
  stonepot simulator [--port n] [--host h] [--config file]   runs the simulator of the Live API alone
  stonepot healthcheck [--url url]                   asks a running server whether it lives; exit code 0 or 1
  stonepot checkconfig [file]                        says what is wrong with a configuration, and prints what is in effect
  stonepot version
  stonepot help

The configuration is the file that --config or STONEPOT_CONFIG names, else config.yaml in this directory, if there is
one, and the environment: PORT, GOOGLE_API_KEY, PROJECT_ID, LOCATION and more. config.yaml explains every key.
`

func main() {
	os.Exit(run(os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

// run is main with its surroundings as arguments; it returns the exit code.
func run(args, environ []string, stdout, stderr io.Writer) int {
	command := "serve"
	if len(args) > 0 && args[0] != "" && args[0][0] != '-' {
		command, args = args[0], args[1:]
	}
	c := &cli{environ: environ, stdout: stdout, stderr: stderr, flags: flag.NewFlagSet("stonepot "+command, flag.ContinueOnError)}
	c.flags.SetOutput(stderr)
	c.flags.Usage = func() { fmt.Fprint(stderr, usage) }
	commands := map[string]func(*cli, []string) error{
		"serve": (*cli).serve, "simulator": (*cli).simulator, "healthcheck": (*cli).healthcheck, "checkconfig": (*cli).checkconfig,
		"version": (*cli).version, "help": (*cli).help,
	}
	do, ok := commands[command]
	if !ok {
		fmt.Fprintf(stderr, "stonepot: there is no command %s\n\n%s", command, usage)
		return 2
	}
	if command != "serve" {
		heap.Collect(heap.Usual)
	}
	err := do(c, args)
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errUsage):
		return 2
	}
	for _, e := range flatten(err) {
		fmt.Fprintf(stderr, "stonepot: %v\n", e)
	}
	return 1
}

// errUsage is for arguments that the flag package has already complained about.
var errUsage = errors.New("wrong arguments")

// cli is one call of the program.
type cli struct {
	environ        []string
	stdout, stderr io.Writer
	flags          *flag.FlagSet
}

// parse reads the flags that were declared, and lets at most this many arguments follow them.
func (c *cli) parse(args []string, most int) error {
	if err := c.flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return err
	} else if err != nil {
		return errUsage
	}
	if c.flags.NArg() > most {
		c.flags.Usage()
		return errUsage
	}
	return nil
}

// configFile is the file to read, if there is one.
func (c *cli) configFile(named string) string {
	const usual = "config.yaml"
	if named == "" {
		named = environment(c.environ)[envPrefix+"CONFIG"]
	}
	if _, err := os.Stat(usual); named == "" && err == nil {
		named = usual
	}
	return named
}

func (c *cli) say(format string, args ...any) {
	fmt.Fprintf(c.stdout, format+"\n", args...)
}

// gcPercent is how much garbage may lie on top of what is in use before it is collected, unless GOGC says so. Go's own 100
// is meant for programs that make garbage all the time. Here audio makes none, so that collections are rare whatever
// the percentage; what there is of garbage, sessions that begin, would only make each of them larger.
const gcPercent = 25

// settled is how long after the start garbage is collected as usual. Whoever waits for the server's first answer does not
// wait for the collection of what the start has left behind.
const settled = time.Second

// collectLater lets garbage be collected as the configuration of the process says: soon, or when the function that it returns
// is called.
func (c *cli) collectLater() (now func()) {
	percent := heap.Usual
	if environment(c.environ)["GOGC"] == "" {
		percent = gcPercent
	}
	collect := sync.OnceFunc(func() { heap.Collect(percent) })
	timer := time.AfterFunc(settled, collect)
	return func() {
		timer.Stop()
		collect()
	}
}

// serve runs the server until a signal. A second signal ends the process at once.
func (c *cli) serve(args []string) error {
	file := c.flags.String("config", "", "")
	if err := c.parse(args, 0); err != nil {
		return err
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)

	s, err := newServer(c.configFile(*file), c.environ, c.stderr)
	if err != nil {
		return err
	}
	defer c.collectLater()()
	if !s.config.logsJSON() {
		c.say("Stonepot listens on %s%s", s.URL(), s.pretence())
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	over := make(chan struct{})
	defer close(over)
	go func() {
		select {
		case <-signals:
			cancel()
		case <-over:
			return
		}
		select {
		case <-signals:
			os.Exit(1)
		case <-over:
		}
	}()
	return s.Run(ctx)
}

func (c *cli) simulator(args []string) error {
	file := c.flags.String("config", "", "")
	host := c.flags.String("host", "127.0.0.1", "")
	port := c.flags.Int("port", 9100, "")
	if err := c.parse(args, 0); err != nil {
		return err
	}
	cfg, err := loadConfig(c.configFile(*file), c.environ)
	if err != nil {
		return err
	}
	log := newLogger(cfg, c.stderr, new(slog.LevelVar))
	s, err := simulator.New(cfg.Simulator, log)
	if err != nil {
		return err
	}
	defer s.Close() //nolint:errcheck // the process ends
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := s.Listen(net.JoinHostPort(*host, strconv.Itoa(*port))); err != nil {
		return portTaken(err, "--port", *port)
	}
	c.say("The simulator of the Live API listens on %s", s.URL())
	<-ctx.Done()
	return nil
}

// healthcheck is for containers, which have no curl.
func (c *cli) healthcheck(args []string) error {
	url := c.flags.String("url", "", "")
	if err := c.parse(args, 0); err != nil {
		return err
	}
	if *url == "" {
		// What is wrong with a configuration is for the server to say.
		cfg, _ := loadConfig(c.configFile(""), c.environ)
		host := cfg.Server.Host
		if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
			host = "127.0.0.1"
		}
		*url = "http://" + net.JoinHostPort(host, strconv.Itoa(cfg.Server.Port)) + "/health"
	}
	client := &http.Client{Timeout: 2 * time.Second}
	res, err := client.Get(*url)
	if err != nil {
		return fmt.Errorf("the server does not answer: %w", err)
	}
	defer res.Body.Close() //nolint:errcheck // nothing was written
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", *url, res.Status)
	}
	return nil
}

func (c *cli) checkconfig(args []string) error {
	if err := c.parse(args, 1); err != nil {
		return err
	}
	file := c.configFile(c.flags.Arg(0))
	cfg, err := loadConfig(file, c.environ)
	if err != nil {
		return err
	}
	out, err := yaml.Marshal(node(reflect.ValueOf(cfg)))
	if err != nil {
		return err
	}
	if file == "" {
		file = "no file"
	}
	c.say("# In effect: %s and the environment", file)
	for _, s := range secrets {
		c.say("# %s: %s", s.name, map[bool]string{true: "set", false: "unset"}[s.has(cfg)])
	}
	for _, n := range notes(c.environ) {
		c.say("# Note: %s", n)
	}
	c.say("%s", out)
	return nil
}

func (c *cli) version([]string) error { c.say("stonepot %s", version); return nil }
func (c *cli) help([]string) error    { c.say("%s", usage); return nil }

// portTaken makes a sentence of the commonest trouble at the start.
func portTaken(err error, knob string, port int) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("port %d is taken by another program: choose another one with %s (0: any free one)", port, knob)
	}
	return err
}
