package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stonepot/stonepot/benchmarks/internal/result"
)

// experiment is all that runs of one call of the program share. It is used by one goroutine.
type experiment struct {
	o      *options
	epoch  time.Time
	api    *api
	dialer *dialer
	server *meter // nil where its processes cannot be seen
	show   *progress
	model  *model // nil where the server has one of its own
	child  *child // nil where the server was there before
	status status
	echo   bool
	runs   uint16
}

// newExperiment brings everything up that the options ask for, and looks at the target with a session of its own.
func newExperiment(ctx context.Context, o *options, show *progress) (*experiment, error) {
	x := &experiment{o: o, epoch: time.Now(), show: show}
	if err := x.begin(ctx); err != nil {
		return nil, errors.Join(err, x.close())
	}
	return x, nil
}

func (x *experiment) begin(ctx context.Context) (err error) {
	if err := x.bringUp(); err != nil {
		return err
	}
	x.api, x.dialer = newAPI(x.o), newDialer(x.o)
	x.server = newMeter(x.o)
	if x.o.pid > 0 && x.server == nil {
		return fmt.Errorf("--pid %d: there is no such process, or it may not be looked at", x.o.pid)
	}
	if x.status, err = x.api.status(ctx); err != nil {
		x.status = status{} // whoever serves none is measured all the same
	}
	return x.look(ctx)
}

func (x *experiment) bringUp() (err error) {
	if !x.o.ownModel() {
		return nil
	}
	addr := x.o.simulator
	if x.o.start != "" {
		addr = "127.0.0.1:0"
	}
	if x.model, err = startModel(addr); err != nil {
		return err
	}
	if x.o.start == "" {
		return nil
	}
	most := x.o.sessions
	if x.o.findMax {
		most = x.o.maxSessions
	}
	if x.child, err = startChild(x.o.start, x.model.URL(), most); err != nil {
		return err
	}
	x.o.target, err = parseTarget(x.child.url, x.o.backend)
	return err
}

// lookFor is how long the first session waits for an echo.
const lookFor = 2 * time.Second

// look opens one session and finds out whether its frames come back.
func (x *experiment) look(ctx context.Context) error {
	x.echo = x.o.expect != expectAnswers
	r := newRun(x, 1, x.echo)
	if x.model != nil {
		x.model.run.Store(r)
	}
	c := newConversation(r, 0)
	if err := c.open(ctx); err != nil {
		return fmt.Errorf("a first session at %s did not become ready: %w", &x.o.target, err)
	}
	r.conversations[0].Store(c)
	over := make(chan error, 1)
	go func() { over <- c.listen() }()
	heard := func() int64 { return r.figures.everReceived.Load() - r.figures.strange.Load() }
	if x.o.expect == expectAuto {
		r.to.Store(int64(r.clock() + lookFor))
		speaking, stop := context.WithCancel(ctx)
		spoken := make(chan struct{})
		go func() { defer close(spoken); c.speak(speaking) }()
		for until := r.clock() + lookFor; heard() == 0 && r.clock() < until && wait(ctx, 10*time.Millisecond); {
		}
		stop()
		<-spoken
		x.echo = heard() > 0
	}
	c.hangUp()
	err := <-over
	c.sock.Close()
	if err != nil {
		return fmt.Errorf("a first session at %s did not end well: %w", &x.o.target, err)
	}
	if err := ctx.Err(); err != nil {
		return errors.New("interrupted before the run began")
	}
	return x.welcome(r)
}

// welcome says what the target turned out to be.
func (x *experiment) welcome(r *run) error {
	if x.model != nil && !x.echo {
		return fmt.Errorf("no frame came back: the server does not use the simulator here (set its gemini.base_url to %s, and GOOGLE_API_KEY to anything)", x.model.URL())
	}
	if !x.echo && !x.o.listens() {
		return errors.New("the model's end does not echo but listen, and --silence 0 gives it no pause to answer in")
	}
	version := x.status.Version
	if version == "" {
		version = "of unknown version"
	}
	x.show.say("%s: server %s, model %s, %s", &x.o.target, version, r.figures.model, map[bool]string{true: "which echoes", false: "which listens and answers"}[x.echo])
	if !r.figures.simulated && x.model == nil {
		x.show.say("The model is a real one: this run is billed.")
	}
	if most := x.status.MaxSessions; most > 0 && x.o.sessions > most {
		x.show.say("The server takes %d sessions (live.max_sessions): the others will be refused.", most)
	}
	return nil
}

// upstream says what the model's end does.
func (x *experiment) upstream() string {
	if x.echo {
		return expectEcho
	}
	return expectAnswers
}

// once runs n sessions.
func (x *experiment) once(ctx context.Context, n int) (*result.Run, error) {
	r := newRun(x, n, x.echo)
	if x.model != nil {
		x.model.run.Store(r)
	}
	res, err := r.execute(ctx)
	res.Target.URL, res.Target.Version, res.Target.Backend = x.o.target.String(), x.status.Version, x.o.target.backend
	res.Target.Upstream, res.Target.OneWay = x.upstream(), x.model != nil
	return res, err
}

// close ends what newExperiment has brought up.
func (x *experiment) close() error {
	var errs []error
	if x.api != nil {
		x.api.close()
	}
	if x.child != nil {
		errs = append(errs, x.child.stop())
	}
	if x.model != nil {
		errs = append(errs, x.model.Close())
	}
	return errors.Join(errs...)
}
