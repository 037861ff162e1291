package simulator

import (
	"encoding/binary"
	"math"
	"time"
)

// Root mean squares, of 32768, from which 10 ms of audio can be speech: about -42 and -36 dBFS.
const (
	thresholdHigh = 260.0
	thresholdLow  = 520.0
	// floorFactor is how far speech must stand out of the noise.
	floorFactor = 3.0
)

// detection says what counts as speech.
type detection struct {
	prefix    time.Duration
	silence   time.Duration
	threshold float64
}

// floorWindow is how often the noise of the room is looked at anew. Speech pauses within it, noise does not: the
// quietest 10 ms of the last one or two windows tell the noise.
const floorWindow = 3 * time.Second

// detector finds speech by its energy, 10 ms at a time, with a threshold that follows the noise of the room.
type detector struct {
	detection
	rate int // Hz

	sum      float64 // of squares in the unfinished 10 ms
	n        int
	lowest   float64 // 10 ms since the last look at the floor
	before   float64 // the lowest of the look before
	looked   time.Duration
	loud     time.Duration
	quiet    time.Duration
	speaking bool
}

func newDetector(d detection, rate int) *detector {
	return &detector{detection: d, rate: rate, lowest: math.MaxInt16}
}

// hear takes PCM and reports, at most once each, whether speech began and whether it ended in it. lastLoud is how
// many bytes of pcm lie behind the last loud 10 ms, or -1 when all was quiet.
func (d *detector) hear(pcm []byte) (began, ended bool, lastLoud int) {
	lastLoud = -1
	window := d.rate / 100
	for i := 0; i+1 < len(pcm); i += 2 {
		v := float64(int16(binary.LittleEndian.Uint16(pcm[i:])))
		d.sum += v * v
		if d.n++; d.n < window {
			continue
		}
		rms := math.Sqrt(d.sum / float64(d.n))
		d.sum, d.n = 0, 0
		if rms >= max(d.threshold, d.floor(rms)*floorFactor) {
			d.loud += 10 * time.Millisecond
			d.quiet = 0
			lastLoud = len(pcm) - i - 2
			if !d.speaking && d.loud >= d.prefix {
				d.speaking, began = true, true
			}
			continue
		}
		d.loud = 0
		d.quiet += 10 * time.Millisecond
		if d.speaking && d.quiet >= d.silence {
			d.speaking, ended = false, true
		}
	}
	return began, ended, lastLoud
}

// floor is the noise of the room after 10 ms of rms.
func (d *detector) floor(rms float64) float64 {
	d.lowest = min(d.lowest, rms)
	if d.looked += 10 * time.Millisecond; d.looked >= floorWindow {
		d.before, d.lowest, d.looked = d.lowest, math.MaxInt16, 0
	}
	return min(d.before, d.lowest)
}

// reset forgets speech that has begun.
func (d *detector) reset() { d.speaking, d.loud, d.quiet = false, 0, 0 }
