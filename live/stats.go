package live

import (
	"maps"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Stats are a gateway's figures. Bytes and messages are those of audio frames and text messages between browser
// and server, without WebSocket headers.
type Stats struct {
	Active    int              `json:"active"`
	Detached  int              `json:"detached"` // of them, those that wait for their browser
	Peak      int              `json:"peak"`
	Total     int64            `json:"total"`
	ByBackend map[string]int64 `json:"byBackend"` // sessions that started, the active ones included
	// ByAssistant counts the same by the assistant; sessions that ended before they had one are not in it.
	ByAssistant map[string]int64 `json:"byAssistant"`
	ByReason    map[string]int64 `json:"byReason"` // sessions that ended
	Refused     map[string]int64 `json:"refused"`  // connections that no session came of, nor was one resumed

	Ready    Latency `json:"readyMs"`    // start_session to session_ready
	Response Latency `json:"responseMs"` // end of the person's speech to the first audio of the answer

	// What the server adds to speech: microseconds from when a frame came to when the other socket had it, of one frame in
	// sampleEvery. Up, the wait of short frames for each other (audio.min_upstream_chunk) is in it, and that behind a slow
	// connection to the model; down, only speech is measured that neither pace nor a slow browser held back.
	AddedUp   Latency `json:"addedUpUs"`
	AddedDown Latency `json:"addedDownUs"`

	Counters Counters `json:"counters"`
	Usage    Totals   `json:"usage"`

	KeptBytes int64 `json:"keptBytes"` // of memory for what is kept to be repeated, now (resume.memory)

	WarmPool map[string]PoolStats `json:"warmPool"` // by backend
}

// Latency is a distribution, in the unit that its name says.
type Latency struct {
	Count int64 `json:"count"`
	P50   int64 `json:"p50"`
	P90   int64 `json:"p90"`
	P99   int64 `json:"p99"`
	Max   int64 `json:"max"`
}

// Counters count what crossed a session, or all of them.
type Counters struct {
	UplinkMessages   int64 `json:"uplinkMessages"`
	UplinkBytes      int64 `json:"uplinkBytes"`
	UplinkAudioMs    int64 `json:"uplinkAudioMs"`
	DownlinkMessages int64 `json:"downlinkMessages"`
	DownlinkBytes    int64 `json:"downlinkBytes"`
	DownlinkAudioMs  int64 `json:"downlinkAudioMs"`
	Turns            int64 `json:"turns"`
	Interruptions    int64 `json:"interruptions"`
	Warnings         int64 `json:"warnings"`
	// UplinkDroppedMs is speech that the upstream could not take in time (audio.inbox), or that came outside a
	// push-to-talk activity; DownlinkDroppedMs is speech that an interruption made worthless.
	UplinkDroppedMs   int64 `json:"uplinkDroppedMs"`
	DownlinkDroppedMs int64 `json:"downlinkDroppedMs"`
	SilenceMs         int64 `json:"silenceMs"`  // sent to keep the upstream alive
	SlowWrites        int64 `json:"slowWrites"` // that a browser's socket did not take at once
	VideoSuperseded   int64 `json:"videoSuperseded"`
	Renewals          int64 `json:"renewals"`         // of the connection to the model
	WatchdogRenewals  int64 `json:"watchdogRenewals"` // of them, because the connection had fallen silent
	GivenUpAudioMs    int64 `json:"givenUpAudioMs"`   // speech kept for them that was given up because resume.memory was used up
	FreshConnections  int64 `json:"freshConnections"` // of them, those that no resumption handle opened
	ReplayedAudioMs   int64 `json:"replayedAudioMs"`  // given to the model again after them
	LostAudioMs       int64 `json:"lostAudioMs"`      // that could not be
	TurnsRestarted    int64 `json:"turnsRestarted"`   // answers that broke and were spoken anew
	Resumes           int64 `json:"resumes"`          // connections of browsers that took over
	UplinkSkipped     int64 `json:"uplinkSkipped"`    // messages that clients gave up for want of room
	DownlinkSkipped   int64 `json:"downlinkSkipped"`  // messages that were not kept until the client came back
	DownlinkRepeated  int64 `json:"downlinkRepeated"` // messages that were sent again to clients that came back
}

func (c *Counters) add(o Counters) {
	c.UplinkMessages += o.UplinkMessages
	c.UplinkBytes += o.UplinkBytes
	c.UplinkAudioMs += o.UplinkAudioMs
	c.DownlinkMessages += o.DownlinkMessages
	c.DownlinkBytes += o.DownlinkBytes
	c.DownlinkAudioMs += o.DownlinkAudioMs
	c.Turns += o.Turns
	c.Interruptions += o.Interruptions
	c.Warnings += o.Warnings
	c.UplinkDroppedMs += o.UplinkDroppedMs
	c.DownlinkDroppedMs += o.DownlinkDroppedMs
	c.SilenceMs += o.SilenceMs
	c.SlowWrites += o.SlowWrites
	c.VideoSuperseded += o.VideoSuperseded
	c.Renewals += o.Renewals
	c.WatchdogRenewals += o.WatchdogRenewals
	c.GivenUpAudioMs += o.GivenUpAudioMs
	c.FreshConnections += o.FreshConnections
	c.ReplayedAudioMs += o.ReplayedAudioMs
	c.LostAudioMs += o.LostAudioMs
	c.TurnsRestarted += o.TurnsRestarted
	c.Resumes += o.Resumes
	c.UplinkSkipped += o.UplinkSkipped
	c.DownlinkSkipped += o.DownlinkSkipped
	c.DownlinkRepeated += o.DownlinkRepeated
}

// uplinkCounters are the inbox's share of a session's Counters.
type uplinkCounters struct {
	UplinkMessages, UplinkBytes, UplinkDroppedMs, UplinkSkipped, VideoSuperseded int64
}

func (c *Counters) addUplink(o uplinkCounters) {
	c.UplinkMessages += o.UplinkMessages
	c.UplinkBytes += o.UplinkBytes
	c.UplinkDroppedMs += o.UplinkDroppedMs
	c.UplinkSkipped += o.UplinkSkipped
	c.VideoSuperseded += o.VideoSuperseded
}

// downlinkCounters are the outbox's.
type downlinkCounters struct {
	DownlinkMessages, DownlinkBytes, DownlinkAudioMs, DownlinkDroppedMs int64
	DownlinkSkipped, DownlinkRepeated, Interruptions, SlowWrites        int64
}

func (c *Counters) addDownlink(o downlinkCounters) {
	c.DownlinkMessages += o.DownlinkMessages
	c.DownlinkBytes += o.DownlinkBytes
	c.DownlinkAudioMs += o.DownlinkAudioMs
	c.DownlinkDroppedMs += o.DownlinkDroppedMs
	c.DownlinkSkipped += o.DownlinkSkipped
	c.DownlinkRepeated += o.DownlinkRepeated
	c.Interruptions += o.Interruptions
	c.SlowWrites += o.SlowWrites
}

// SessionInfo describes one session to its operator.
type SessionInfo struct {
	ID         string    `json:"id"`
	State      string    `json:"state"`
	Backend    string    `json:"backend"`
	Simulated  bool      `json:"simulated"`
	Model      string    `json:"model,omitempty"`
	Voice      string    `json:"voice,omitempty"`
	Assistant  string    `json:"assistant,omitempty"`
	UserID     string    `json:"userId,omitempty"`
	Address    string    `json:"address,omitempty"`
	StartedAt  time.Time `json:"startedAt"`
	DurationMs int64     `json:"durationMs"`
	StartupMs  int64     `json:"startupMs"`
	Counters   Counters  `json:"counters"`
	Usage      Totals    `json:"usage"`
}

// record is what the statistics take from a session: while it lives, and once when it has ended.
type record struct {
	counters Counters
	usage    Usage
	backend  string
	// assistant is empty before start_session.
	assistant string
	reason    string // empty while it lives
}

// statistics add up sessions that have ended; those that live are added at each look.
type statistics struct {
	mu       sync.Mutex
	stats    Stats
	ready    *hdrhistogram.Histogram
	response *hdrhistogram.Histogram

	up, down *added // with locks of their own
}

func newStatistics() *statistics {
	const longest = int64(10 * time.Minute / time.Millisecond)
	return &statistics{
		stats:    Stats{ByBackend: map[string]int64{}, ByAssistant: map[string]int64{}, ByReason: map[string]int64{}, Refused: map[string]int64{}, Usage: totals(Usage{})},
		ready:    hdrhistogram.New(1, longest, 2),
		response: hdrhistogram.New(1, longest, 2),
		up:       newAdded(),
		down:     newAdded(),
	}
}

func (s *statistics) started(active int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Total++
	s.stats.Peak = max(s.stats.Peak, active)
}

func (s *statistics) refused(r Reason) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Refused[r.Code]++
}

func (s *statistics) ended(r record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.add(r)
}

// tookReady and tookToRespond record latencies; those beyond ten minutes count as ten.
func (s *statistics) tookReady(d time.Duration) { s.record(s.ready, d) }

func (s *statistics) tookToRespond(d time.Duration) { s.record(s.response, d) }

func (s *statistics) record(h *hdrhistogram.Histogram, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = h.RecordValue(min(max(milliseconds(d), 1), h.HighestTrackableValue())) // cannot fail inside its range
}

func (s *statistics) snapshot() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.ByBackend, st.ByReason, st.Refused = maps.Clone(st.ByBackend), maps.Clone(st.ByReason), maps.Clone(st.Refused)
	st.ByAssistant = maps.Clone(st.ByAssistant)
	st.Usage.ByModality = maps.Clone(st.Usage.ByModality)
	st.Ready, st.Response = latency(s.ready), latency(s.response)
	st.AddedUp, st.AddedDown = s.up.latency(), s.down.latency()
	return st
}

func latency(h *hdrhistogram.Histogram) Latency {
	return Latency{h.TotalCount(), h.ValueAtQuantile(50), h.ValueAtQuantile(90), h.ValueAtQuantile(99), h.Max()}
}

// add counts one session in.
func (st *Stats) add(r record) {
	st.Counters.add(r.counters)
	st.Usage.add(r.usage)
	st.ByBackend[r.backend]++
	if r.assistant != "" {
		st.ByAssistant[r.assistant]++
	}
	if r.reason != "" {
		st.ByReason[r.reason]++
	}
}

// Totals are tokens added up, as browsers and operators read them.
type Totals struct {
	InputTokens  int64            `json:"inputTokens"`
	OutputTokens int64            `json:"outputTokens"`
	ByModality   map[string]int64 `json:"byModality"`
}

func (t *Totals) add(u Usage) {
	t.InputTokens += u.Input
	t.OutputTokens += u.Output
	for _, m := range Modalities() {
		t.addModality("input"+m.String(), u.InputBy[m])
		t.addModality("output"+m.String(), u.OutputBy[m])
	}
}

func (t *Totals) addModality(name string, n int64) {
	if n == 0 {
		return
	}
	t.ByModality[name] += n
}

func totals(u Usage) Totals {
	t := Totals{ByModality: map[string]int64{}}
	t.add(u)
	return t
}
