package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/fasthttp/websocket"

	"github.com/stonepot/stonepot/handlers"
	"github.com/stonepot/stonepot/live/simulator"
)

// Each frame begins with the number of its browser and its own number: both ends of the path know it by them.
const headerBytes = 16

// kept is how many frames of a browser may be under way before their times are forgotten.
const kept = 4096

// latency is a distribution in microseconds.
type latency struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// figures are one measurement.
type figures struct {
	Sessions    int     `json:"sessions"`
	Resumable   bool    `json:"resumable"` // and the browsers acknowledge
	RoundTrips  int64   `json:"roundTrips"`
	PerSecond   float64 `json:"roundTripsPerSecond"`
	Uplink      latency `json:"uplinkMicros"`    // browser's write to the simulator's read
	Downlink    latency `json:"downlinkMicros"`  // simulator's read to the browser's read: its own encoding included
	RoundTrip   latency `json:"roundTripMicros"` // browser's write to the browser's read
	CPUMicros   float64 `json:"gatewayCpuMicros"`
	Allocations float64 `json:"gatewayAllocations"` // per round trip
	ResidentKB  float64 `json:"gatewayResidentKbPerSession"`
	Lost        int64   `json:"lost"`
}

// bench is both ends of the path.
type bench struct {
	options
	child     *child
	simulator *simulator.Server
	idleKB    float64
	began     time.Time
	browsers  atomic.Pointer[[]*browser]
}

func newBench(o options, with settings, log *slog.Logger) (*bench, error) {
	cfg := simulator.DefaultConfig()
	cfg.Echo = true
	cfg.SetupDelay, cfg.SetupJitter = time.Millisecond, 0
	s, err := simulator.New(cfg, log)
	if err != nil {
		return nil, err
	}
	b := &bench{options: o, simulator: s, began: time.Now()}
	s.OnAudio(b.arrived)
	if err = s.Listen("127.0.0.1:0"); err != nil {
		return nil, err
	}
	with.Upstream = s.URL()
	if b.child, err = startChild(with); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	first, err := b.child.spent()
	b.idleKB = first.ResidentKB
	return b, err
}

func (b *bench) close() {
	_ = b.child.stop()
	_ = b.simulator.Close()
}

// now is nanoseconds on the one clock.
func (b *bench) now() int64 { return int64(time.Since(b.began)) }

// arrived sees audio at the upstream's end. Frames that the gateway joined are told apart by their length.
func (b *bench) arrived(pcm []byte, at time.Time) {
	browsers := b.browsers.Load()
	now := int64(at.Sub(b.began))
	for ; len(pcm) >= b.Frame; pcm = pcm[b.Frame:] {
		who, seq := binary.LittleEndian.Uint64(pcm), binary.LittleEndian.Uint64(pcm[8:])
		if browsers == nil || who >= uint64(len(*browsers)) {
			continue
		}
		(*browsers)[who].atUpstream[seq%kept].Store(now)
	}
}

// browser is one conversation. Its sender and its receiver share the times of the frames that are under way.
type browser struct {
	ws         *websocket.Conn
	writing    sync.Mutex // where acknowledgements are written too
	resumable  bool
	sent       [kept]atomic.Int64
	atUpstream [kept]atomic.Int64
	sentCount  atomic.Int64

	// Owned by the receiver until it has returned.
	up, down, trip *hdrhistogram.Histogram
	received       int64
	measuring      *atomic.Bool
}

func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(100, int64(time.Minute), 3) }

// measure runs conversations for the duration.
func (b *bench) measure(l load) (figures, error) {
	n := l.sessions
	var measuring, stop atomic.Bool
	browsers := make([]*browser, n)
	for i := range browsers {
		ws, err := dial(b.child.addr, l.resumable)
		if err != nil {
			return figures{}, fmt.Errorf("conversation %d: %w", i+1, err)
		}
		browsers[i] = &browser{ws: ws, resumable: l.resumable, up: newHistogram(), down: newHistogram(), trip: newHistogram(), measuring: &measuring}
	}
	b.browsers.Store(&browsers)
	var senders, receivers sync.WaitGroup
	for i, w := range browsers {
		senders.Go(func() { b.send(w, i, n, &stop) })
		receivers.Go(func() { b.receive(w) })
	}
	time.Sleep(b.WarmUp)
	measuring.Store(true)
	before, err := b.child.spent()
	if err != nil {
		return figures{}, err
	}
	begun := time.Now()
	tripsBefore := trips(browsers)
	time.Sleep(b.Duration)
	took := time.Since(begun)
	after, err := b.child.spent()
	if err != nil {
		return figures{}, err
	}
	done := trips(browsers) - tripsBefore
	measuring.Store(false)
	stop.Store(true)
	senders.Wait()
	// What is under way is given the time to arrive before anything counts as lost.
	time.Sleep(200 * time.Millisecond)
	for _, w := range browsers {
		_ = w.write(websocket.TextMessage, []byte(`{"type":"end_session"}`))
		_ = w.ws.SetReadDeadline(time.Now().Add(5 * time.Second))
	}
	receivers.Wait()
	f := figures{
		Sessions:    n,
		Resumable:   l.resumable,
		RoundTrips:  done,
		PerSecond:   float64(done) / took.Seconds(),
		CPUMicros:   float64((after.CPU - before.CPU).Microseconds()) / float64(max(done, 1)),
		Allocations: float64(after.Mallocs-before.Mallocs) / float64(max(done, 1)),
		ResidentKB:  max(0, after.ResidentKB-b.idleKB) / float64(n),
	}
	up, down, trip := newHistogram(), newHistogram(), newHistogram()
	for _, w := range browsers {
		up.Merge(w.up)
		down.Merge(w.down)
		trip.Merge(w.trip)
		f.Lost += w.sentCount.Load() - w.received
		_ = w.ws.Close()
	}
	f.Uplink, f.Downlink, f.RoundTrip = summary(up), summary(down), summary(trip)
	return f, nil
}

// trips counts the frames that went out and have been seen at the upstream: near enough to a count of round trips
// without touching what the receivers own.
func trips(browsers []*browser) (n int64) {
	for _, w := range browsers {
		n += w.sentCount.Load()
	}
	return n
}

func summary(h *hdrhistogram.Histogram) latency {
	us := func(ns int64) float64 { return float64(ns) / 1e3 }
	return latency{us(h.ValueAtQuantile(50)), us(h.ValueAtQuantile(90)), us(h.ValueAtQuantile(99)), us(h.Max())}
}

// dial opens a conversation and waits until it is ready.
func dial(addr string, resumable bool) (*websocket.Conn, error) {
	ws, _, err := websocket.DefaultDialer.Dial("ws://"+addr+handlers.PathGemini, nil)
	if err != nil {
		return nil, err
	}
	return ws, ready(ws, resumable)
}

// ready starts a conversation and waits until it is ready.
func ready(ws *websocket.Conn, resumable bool) error {
	if err := ws.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"type":"start_session","config":{"resumable":%v}}`, resumable)); err != nil {
		return err
	}
	_ = ws.SetReadDeadline(time.Now().Add(20 * time.Second))
	for {
		var m struct{ Type, Error string }
		if err := ws.ReadJSON(&m); err != nil {
			return err
		}
		switch m.Type {
		case "session_ready":
			return ws.SetReadDeadline(time.Time{})
		case "error":
			return errors.New(m.Error)
		}
	}
}

// send speaks at the asked rate, each browser at its own moment of the interval.
func (b *bench) send(w *browser, i, n int, stop *atomic.Bool) {
	interval := time.Duration(float64(time.Second) / b.Rate)
	next := time.Now().Add(interval * time.Duration(i) / time.Duration(n))
	frame := make([]byte, b.Frame)
	binary.LittleEndian.PutUint64(frame, uint64(i))
	for seq := uint64(0); !stop.Load(); seq++ {
		time.Sleep(time.Until(next))
		next = next.Add(interval)
		binary.LittleEndian.PutUint64(frame[8:], seq)
		w.sent[seq%kept].Store(b.now())
		if err := w.write(websocket.BinaryMessage, frame); err != nil {
			return
		}
		w.sentCount.Add(1)
	}
}

func (w *browser) write(kind int, data []byte) error {
	w.writing.Lock()
	defer w.writing.Unlock()
	return w.ws.WriteMessage(kind, data)
}

// receive measures what comes back until the conversation ends. Speech comes without a pause, so that the acknowledgement
// for each 8 KB is all that is needed.
func (b *bench) receive(w *browser) {
	counted, unacked := int64(1), 0 // session_ready
	for {
		kind, data, err := w.ws.ReadMessage()
		if err != nil {
			return
		}
		if kind != websocket.BinaryMessage {
			continue
		}
		counted++
		if unacked += len(data); w.resumable && unacked >= ackBytes {
			unacked = 0
			_ = w.write(websocket.TextMessage, append(strconv.AppendInt([]byte(`{"type":"ack","received":`), counted, 10), '}'))
		}
		now := b.now()
		for ; len(data) >= b.Frame; data = data[b.Frame:] {
			seq := binary.LittleEndian.Uint64(data[8:])
			w.received++
			if !w.measuring.Load() {
				continue
			}
			sent, upstream := w.sent[seq%kept].Load(), w.atUpstream[seq%kept].Load()
			_ = w.trip.RecordValue(now - sent) // beyond a minute it is lost
			_ = w.up.RecordValue(upstream - sent)
			_ = w.down.RecordValue(now - upstream)
		}
	}
}

// medianFigures takes the median of each figure by itself.
func medianFigures(all []figures) figures {
	median := func(get func(*figures) *float64) float64 {
		v := make([]float64, len(all))
		for i := range all {
			v[i] = *get(&all[i])
		}
		slices.Sort(v)
		return v[len(v)/2]
	}
	m := figures{Sessions: all[0].Sessions, Resumable: all[0].Resumable}
	for _, get := range []func(*figures) *float64{
		func(f *figures) *float64 { return &f.PerSecond },
		func(f *figures) *float64 { return &f.CPUMicros },
		func(f *figures) *float64 { return &f.Allocations },
		func(f *figures) *float64 { return &f.ResidentKB },
	} {
		*get(&m) = median(get)
	}
	for _, part := range []func(*figures) *latency{
		func(f *figures) *latency { return &f.Uplink },
		func(f *figures) *latency { return &f.Downlink },
		func(f *figures) *latency { return &f.RoundTrip },
	} {
		for _, get := range []func(*latency) *float64{
			func(l *latency) *float64 { return &l.P50 },
			func(l *latency) *float64 { return &l.P90 },
			func(l *latency) *float64 { return &l.P99 },
			func(l *latency) *float64 { return &l.Max },
		} {
			*get(part(&m)) = median(func(f *figures) *float64 { return get(part(f)) })
		}
	}
	for _, f := range all {
		m.RoundTrips += f.RoundTrips
		m.Lost += f.Lost
	}
	return m
}
