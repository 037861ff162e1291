package live

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// sampleEvery is how many frames of speech go by for one whose time in the server is measured.
const sampleEvery = 32

// added is a distribution of how long frames of speech stay in the server. It is recorded on the audio path: whoever finds
// it in use goes on without.
type added struct {
	mu sync.Mutex
	us *hdrhistogram.Histogram // microseconds
}

func newAdded() *added {
	return &added{us: hdrhistogram.New(1, time.Minute.Microseconds(), 2)}
}

// record counts one frame; those beyond a minute count as one.
func (a *added) record(d time.Duration) {
	if !a.mu.TryLock() {
		return
	}
	defer a.mu.Unlock()
	_ = a.us.RecordValue(min(max(d.Microseconds(), 1), a.us.HighestTrackableValue())) // cannot fail inside its range
}

func (a *added) latency() Latency {
	a.mu.Lock()
	defer a.mu.Unlock()
	return latency(a.us)
}

// probe is the frame of the microphone whose way up is measured just now.
type probe struct {
	added *added
	since int64 // Unix nanoseconds; 0: none is under way
	end   int64 // the place behind it in the microphone's stream
}

// watch measures the frame that comes next, of a number of samples, unless another one is under way. Called with mu held.
func (in *inbox) watch(samples int, now time.Time) {
	if in.probe.since == 0 {
		in.probe.since, in.probe.end = now.UnixNano(), in.samples+int64(samples)
	}
}

// passed is told that everything before a place has been given. Called with the inbox's lock held.
func (p *probe) passed(pos, now int64) {
	if p.since != 0 && pos >= p.end {
		p.added.record(time.Duration(now - p.since))
		p.since = 0
	}
}
