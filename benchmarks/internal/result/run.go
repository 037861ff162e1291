package result

import (
	"fmt"
	"runtime"
	"time"
)

// Kind and Version say what a JSON file holds. Version grows when a field changes its meaning.
const (
	Kind    = "stonepot-load"
	Version = 1
)

// Run is one run of the load generator. Durations are milliseconds (…Ms) or microseconds (…Micros).
type Run struct {
	Kind        string    `json:"kind"`
	Version     int       `json:"version"`
	Began       time.Time `json:"began"`
	Machine     Machine   `json:"machine"` // of the generator
	Target      Target    `json:"target"`
	Load        Load      `json:"load"`
	MeasuredMs  int64     `json:"measuredMs"`
	Interrupted bool      `json:"interrupted,omitempty"` // by the person who started it

	Sessions Sessions `json:"sessions"`
	Frames   Frames   `json:"frames"`
	Traffic  Traffic  `json:"traffic"`

	// Of each session: POST /api/session/create; TCP, TLS and the upgrade; start_session to session_ready; all three.
	AskMicros     Latency `json:"askMicros"`
	ConnectMicros Latency `json:"connectMicros"`
	StartMicros   Latency `json:"startMicros"`
	ReadyMicros   Latency `json:"readyMicros"`

	// Of each frame, where the model's end echoes. Corrected for coordinated omission, but for the field that says
	// otherwise; the generator's own lag is in none of them.
	RoundTripMicros   Latency `json:"roundTripMicros"`
	UpMicros          Latency `json:"upMicros"`   // only where the generator plays the model's end, too
	DownMicros        Latency `json:"downMicros"` // likewise
	UncorrectedMicros Latency `json:"uncorrectedMicros"`

	// Of each answer, where the model's end answers: the end of speech to the first audio, here and as the server says.
	AnswerMicros       Latency `json:"answerMicros"`
	ServerAnswerMicros Latency `json:"serverAnswerMicros"`

	// LagMicros is how late the generator itself was with its frames.
	LagMicros Latency  `json:"lagMicros"`
	Generator Process  `json:"generator"`
	Server    *Process `json:"server,omitempty"`

	Timeline []Moment `json:"timeline,omitempty"`
	Search   *Search  `json:"search,omitempty"`
	Notes    []string `json:"notes,omitempty"` // what whoever reads the figures must know
}

// Machine is where the generator ran.
type Machine struct {
	OS   string `json:"os"`
	Arch string `json:"arch"`
	CPUs int    `json:"cpus"`
	Go   string `json:"go"`
}

// ThisMachine is the one that runs this program.
func ThisMachine() Machine {
	return Machine{runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version()}
}

func (m Machine) String() string {
	return fmt.Sprintf("%s/%s, %d CPUs, %s", m.OS, m.Arch, m.CPUs, m.Go)
}

// Target is what was measured.
type Target struct {
	URL       string `json:"url"`
	Version   string `json:"version,omitempty"` // of the server
	Backend   string `json:"backend,omitempty"`
	Model     string `json:"model,omitempty"`
	Simulated bool   `json:"simulated"`
	Upstream  string `json:"upstream"` // echo or answers
	OneWay    bool   `json:"oneWay"`   // the generator played the model's end, too
}

// Load is what was asked for.
type Load struct {
	Sessions   int     `json:"sessions"`
	RampMs     int64   `json:"rampMs"`
	WarmUpMs   int64   `json:"warmUpMs"`
	DurationMs int64   `json:"durationMs"`
	FrameBytes int     `json:"frameBytes"`
	Rate       float64 `json:"framesPerSecond"` // of each session
	InputHz    int     `json:"inputHz"`
	TalkMs     int64   `json:"talkMs"`
	SilenceMs  int64   `json:"silenceMs"`
	WAV        string  `json:"wav,omitempty"`
	SpeechMs   int64   `json:"speechMs,omitempty"`   // of the WAV, without its pauses
	Utterances int     `json:"utterances,omitempty"` // of the WAV: pauses of half a second and more part them
	Dialect    string  `json:"dialect"`
	Resumable  bool    `json:"resumable"`
	LateMs     int64   `json:"lateMs"` // a frame that takes longer is late
}

// Speech says what each person says.
func (l Load) Speech() string {
	s := fmt.Sprintf("%.4g s, then %.4g s of silence", float64(l.TalkMs)/1e3, float64(l.SilenceMs)/1e3)
	if l.WAV == "" {
		return s
	}
	utterances := "utterances"
	if l.Utterances == 1 {
		utterances = "utterance"
	}
	return fmt.Sprintf("%s, of %s, whose %d %s last %.4g s without pauses", s, l.WAV, l.Utterances, utterances, float64(l.SpeechMs)/1e3)
}

// Sessions is what became of them.
type Sessions struct {
	Asked     int            `json:"asked"`
	Ready     int            `json:"ready"`
	Completed int            `json:"completed"` // to an orderly end at the end of the run
	Failed    int            `json:"failed"`    // before they were ready, or in mid-run
	Reasons   map[string]int `json:"reasons,omitempty"`
}

// Frames counts those that were due while it was measured.
type Frames struct {
	Sent     int64 `json:"sent"`
	Received int64 `json:"received"` // that came back, each once
	Late     int64 `json:"late"`     // echo: took longer than lateMs; answers: came after the speech before was played out
	Lost     int64 `json:"lost"`
	Doubled  int64 `json:"doubled"`
	Strange  int64 `json:"strange"` // belong to another session, or could not be read
}

// Traffic is what crossed the connections in the whole run.
type Traffic struct {
	Up   Side `json:"up"`
	Down Side `json:"down"`
}

// Side is one direction.
type Side struct {
	AudioMessages int64 `json:"audioMessages"`
	AudioBytes    int64 `json:"audioBytes"`
	TextMessages  int64 `json:"textMessages"`
	TextBytes     int64 `json:"textBytes"`
}

// Process is what processes used while it was measured.
type Process struct {
	PIDs           []int   `json:"pids,omitempty"`
	CPUSeconds     float64 `json:"cpuSeconds"`
	Cores          float64 `json:"cores"` // CPUSeconds by the time measured
	ResidentKB     int64   `json:"residentKb"`
	IdleResidentKB int64   `json:"idleResidentKb"` // before the first session
	PeakResidentKB int64   `json:"peakResidentKb"`
}

// Moment is a second of the run.
type Moment struct {
	AtMs       int64   `json:"atMs"`
	Ready      int     `json:"ready"`
	Sent       int64   `json:"sent"`     // frames since the last moment
	Received   int64   `json:"received"` // likewise
	P50Micros  float64 `json:"p50Micros"`
	P99Micros  float64 `json:"p99Micros"`
	LagMicros  float64 `json:"lagP99Micros"`
	Cores      float64 `json:"cores"` // the server's
	ResidentKB int64   `json:"residentKb"`
}

// Search is how the largest number of sessions that keeps the limits was found.
type Search struct {
	LimitP99Ms       float64 `json:"limitP99Ms"`
	LimitLost        int64   `json:"limitLost"`
	Best             int     `json:"best"`
	GeneratorLimited bool    `json:"generatorLimited"` // the server may carry more than Best…
	Bounded          bool    `json:"bounded"`          // …because no more were to be tried
	PerCoreUsed      float64 `json:"perCoreUsed"`      // Best by the cores that the server used; 0: not known
	PerCoreOfMachine float64 `json:"perCoreOfMachine"` // Best by the machine's CPUs, the generator's share included
	Trials           []Trial `json:"trials"`
}

// Trial is one number of sessions that was tried.
type Trial struct {
	Sessions  int     `json:"sessions"`
	Holds     bool    `json:"holds"`
	Why       string  `json:"why,omitempty"` // it does not hold
	P99Micros float64 `json:"p99Micros"`
	Lost      int64   `json:"lost"`
	LagMicros float64 `json:"lagP99Micros"`
	Cores     float64 `json:"cores"`
}

// Save writes r into a file of dir that is named after the time, and returns its name.
func Save(dir string, r *Run) (string, error) {
	return save(dir, "load-"+r.Began.UTC().Format("20060102-150405.000"), r)
}
