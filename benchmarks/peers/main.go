package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/stonepot/stonepot/benchmarks/internal/result"
)

func main() {
	// The first signal ends the run early, with its figures; the second one ends the process.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	err := command(ctx, os.Args[1:], os.Stdout)
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	default:
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

// command is main with its surroundings as arguments.
func command(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse(args, out)
	if err != nil {
		return err
	}
	b, err := prepare(o)
	if err != nil {
		return err
	}
	defer os.RemoveAll(b.dir) //nolint:errcheck // temporary
	r := &report{result.Peers{
		Kind: result.PeersKind, Version: result.PeersVersion, Began: time.Now().UTC(), Machine: result.ThisMachine(), Pinned: b.divide(),
		Rounds: o.rounds, DurationMs: o.duration.Milliseconds(), WarmUpMs: o.warmUp.Milliseconds(),
		Relays: map[string]string{}, Missing: map[string]string{}, Changed: changed(os.Environ()),
	}}
	fmt.Fprintf(out, "%s; %s; %d rounds of %v\n", r.Machine, r.Pinned, o.rounds, o.duration)
	if len(r.Changed) > 0 {
		fmt.Fprintf(out, "== NOT WHAT SHIPS: the environment sets %s\n", strings.Join(r.Changed, ", "))
	}
	here := b.present(r, out)
	if len(here) == 0 {
		return errors.New("none of the relays can be run here")
	}
	for _, sc := range o.scenarios {
		b.run(ctx, sc, here, r, out)
		r.Ratios = append(r.Ratios, compare(sc, r.Measured)...)
	}
	r.print(out, o.scenarios)
	if o.out != "" {
		name, err := result.SavePeers(o.out, &r.Peers)
		if err != nil {
			return err
		}
		fmt.Fprintln(out, "\nwritten to", name)
	}
	if len(r.Failed) > 0 {
		return fmt.Errorf("%d measurements went wrong: their rounds are missing in the figures", len(r.Failed))
	}
	return ctx.Err()
}

// prepare finds the repository and compiles the peers in Go. The caller removes the directory.
func prepare(o options) (*bench, error) {
	root, err := findRoot()
	if err != nil {
		return nil, err
	}
	if !filepath.IsAbs(o.stonepot) {
		o.stonepot = filepath.Join(root, o.stonepot)
	}
	if o.out != "" && !filepath.IsAbs(o.out) {
		o.out = filepath.Join(root, o.out)
	}
	b := &bench{o: o, root: root, settle: settle}
	if b.dir, err = os.MkdirTemp("", "stonepot-peers-"); err != nil {
		return nil, err
	}
	b.goPeers = filepath.Join(b.dir, "bin")
	if err := errors.Join(os.Mkdir(b.goPeers, 0o750), compile(root, b.goPeers)); err != nil {
		return nil, errors.Join(err, os.RemoveAll(b.dir))
	}
	return b, nil
}

// findRoot goes up from here to the repository.
func findRoot() (string, error) {
	dir, err := os.Getwd()
	for ; err == nil && dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if exists(filepath.Join(dir, "go.mod")) {
			return dir, nil
		}
	}
	return "", errors.New("run this inside the repository: it builds and starts what it measures")
}

// divide gives the relays a processor of their own, if it can, and says what it did.
func (b *bench) divide() string {
	if !b.o.pin {
		return "not pinned: --pin=false"
	}
	cpu, own, why := divide()
	if why != "" {
		return "not pinned: " + why
	}
	b.cpu = cpu
	runtime.GOMAXPROCS(len(own))
	return fmt.Sprintf("the relay on processor %s, browsers and model on %s", cpu, strings.Join(own, ","))
}

// present keeps the relays that can be run here; of the others it says loudly why they are missing.
func (b *bench) present(r *report, out io.Writer) (here []relay) {
	for _, x := range b.o.relays {
		if _, err := x.command(place{root: b.root, dir: b.dir, stonepot: b.o.stonepot, goPeers: b.goPeers}); err != nil {
			r.Missing[x.name] = err.Error()
			fmt.Fprintf(out, "== NOT MEASURED: %s: %v\n", x.name, err)
			continue
		}
		r.Relays[x.name] = x.what
		here = append(here, x)
	}
	return here
}

// run measures a scenario in interleaved rounds. Each round begins with another relay, so that none is always the first.
func (b *bench) run(ctx context.Context, sc scenario, here []relay, r *report, out io.Writer) {
	var some []relay
	for _, x := range here {
		if sc.takes(x) {
			some = append(some, x)
		}
	}
	for round := range b.o.rounds {
		for i := range some {
			if ctx.Err() != nil {
				return
			}
			x := some[(i+round)%len(some)]
			f, err := b.measure(ctx, x, sc)
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				r.Failed = append(r.Failed, fmt.Sprintf("round %d: %v", round+1, err))
				fmt.Fprintf(out, "  round %d: FAILED: %v\n", round+1, err)
				continue
			}
			f.Round = round + 1
			r.Measured = append(r.Measured, f)
			m := sc.metrics()[0]
			fmt.Fprintf(out, "  %s, round %d, %s: %.4g %s\n", sc.name, f.Round, x.name, m.of(f), m.unit)
		}
	}
}
