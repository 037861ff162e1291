package result

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// PeersKind and PeersVersion say what a JSON file of benchmarks/peers holds. The version grows when a field changes its
// meaning.
const (
	PeersKind    = "stonepot-peers"
	PeersVersion = 1
)

// Peers is one run of benchmarks/peers.
type Peers struct {
	Kind       string            `json:"kind"`
	Version    int               `json:"version"`
	Began      time.Time         `json:"began"`
	Machine    Machine           `json:"machine"`
	Pinned     string            `json:"pinned"`
	Rounds     int               `json:"rounds"`
	DurationMs int64             `json:"durationMs"`
	WarmUpMs   int64             `json:"warmUpMs"`
	Relays     map[string]string `json:"relays"`            // what was measured, for people
	Missing    map[string]string `json:"missing"`           // what could not be, and why
	Changed    []string          `json:"changed,omitempty"` // settings of ours that the environment names: not what ships
	Failed     []string          `json:"failed,omitempty"`  // measurements that went wrong
	Ratios     []Ratio           `json:"ratios"`
	Measured   []Measurement     `json:"measured"`
}

// Ratio compares one of ours with a peer in one scenario. Each round gives one ratio, of two measurements that were
// close to each other in time; Ratio is the median of them. With Confidence, the true median of such ratios lies between Low
// and High, whatever their distribution (the interval between two order statistics, from the binomial distribution).
type Ratio struct {
	Scenario   string  `json:"scenario"`
	Metric     string  `json:"metric"`
	Unit       string  `json:"unit"`
	Ours       string  `json:"ours"`
	Peer       string  `json:"peer"`
	OurMedian  float64 `json:"ourMedian"`
	PeerMedian float64 `json:"peerMedian"`
	Ratio      float64 `json:"ratio"` // ours by the peer's: below 1 ours takes less
	Low        float64 `json:"low"`
	High       float64 `json:"high"`
	Confidence float64 `json:"confidence"`
	Rounds     int     `json:"rounds"` // in which both were measured
}

// Median is the middle of values, or between the two that are; it sorts them, and there must be one.
func Median(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// Measurement is what one measurement of one relay gave. What was not measured is 0.
type Measurement struct {
	Scenario string `json:"scenario"`
	Relay    string `json:"relay"`
	Round    int    `json:"round"`

	CPUMicros float64 `json:"cpuMicros"` // of a round trip, a second of conversation, or a request
	PerSecond float64 `json:"perSecond"` // of the same
	Cores     float64 `json:"cores"`     // that the relay used
	Others    float64 `json:"others"`    // of its own processor, that other processes used at the time; of those that work only
	P50Micros float64 `json:"p50Micros"` // round trip; of paced ones only
	P99Micros float64 `json:"p99Micros"`
	SessionKB float64 `json:"sessionKb"` // growth of resident memory since before the first session, by sessions
	KeptKB    float64 `json:"keptKb"`    // of it, the speech that ours keeps for a renewal or a browser that comes back (resume.memory)
	ProcessKB int64   `json:"processKb"`
	StartMs   float64 `json:"startMs"`

	Browser  Crossed `json:"browser"`  // while it was measured, between browsers and relay
	Upstream Crossed `json:"upstream"` // between relay and model
	Lost     int64   `json:"lostBytes"`
}

// Crossed is the audio that crossed one side of a relay. Bytes are PCM, whatever carried them.
type Crossed struct {
	MessagesUp   int64 `json:"messagesUp"`
	BytesUp      int64 `json:"bytesUp"`
	MessagesDown int64 `json:"messagesDown"`
	BytesDown    int64 `json:"bytesDown"`
}

// Minus is what crossed since d.
func (c Crossed) Minus(d Crossed) Crossed {
	return Crossed{c.MessagesUp - d.MessagesUp, c.BytesUp - d.BytesUp, c.MessagesDown - d.MessagesDown, c.BytesDown - d.BytesDown}
}

// SavePeers writes p into a file of dir that is named after the time, and returns its name.
func SavePeers(dir string, p *Peers) (string, error) {
	return save(dir, "peers-"+p.Began.UTC().Format("20060102-150405"), p)
}

// save writes JSON into a file of dir, which it makes, and returns its name.
func save(dir, name string, content any) (string, error) {
	data, err := json.MarshalIndent(content, "", "  ")
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return "", err
	}
	name = filepath.Join(dir, name+".json")
	return name, os.WriteFile(name, append(data, '\n'), 0o600)
}
