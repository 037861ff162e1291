package main

import (
	"encoding/binary"
	"math"
	"time"
)

// What counts as silence in a recording, 10 ms at a time: what is 30 dB below its loudest moment, and what nobody would hear.
const (
	window     = 10 * time.Millisecond
	belowPeak  = 30.0
	inaudible  = 100.0 // RMS of 16 bit samples: 50 dB below the loudest that they can hold
	longEnough = 500 * time.Millisecond
)

// listen notes where v is silent. It is called once, when v is whole.
func (v *voice) listen() {
	v.window = 2 * max(int(window*time.Duration(v.hz)/time.Second), 1)
	levels := make([]float64, 0, len(v.pcm)/v.window+1)
	for rest := v.pcm; len(rest) > 0; rest = rest[min(v.window, len(rest)):] {
		levels = append(levels, level(rest[:min(v.window, len(rest))]))
	}
	loudest := 0.0
	for _, l := range levels {
		loudest = max(loudest, l)
	}
	v.loud = make([]bool, len(levels))
	for i, l := range levels {
		v.loud[i] = l >= max(loudest/math.Pow(10, belowPeak/20), inaudible)
	}
}

// level is the RMS of samples.
func level(pcm []byte) float64 {
	sum := 0.0
	for i := 0; i+1 < len(pcm); i += 2 {
		sample := float64(int16(binary.LittleEndian.Uint16(pcm[i:])))
		sum += sample * sample
	}
	return math.Sqrt(sum / float64(max(len(pcm)/2, 1)))
}

// speaks reports whether there is speech in the n bytes that begin with from; behind its end the voice begins anew.
func (v *voice) speaks(from, n int) bool {
	for n > 0 {
		part := min(n, len(v.pcm)-from)
		for w := from / v.window; w*v.window < from+part; w++ {
			if v.loud[w] {
				return true
			}
		}
		n, from = n-part, 0
	}
	return false
}

// said is how much of v is speech, and in how many utterances: a pause that is long enough for an answer to begin parts
// them.
func (v *voice) said() (speech time.Duration, utterances int) {
	last := -1 // the last window of speech
	for w, loud := range v.loud {
		if !loud {
			continue
		}
		if last < 0 || time.Duration(w-last-1)*window >= longEnough {
			utterances++
		}
		last = w
		speech += window
	}
	return speech, utterances
}

// pauses reports whether v itself gives a model time to answer.
func (v *voice) pauses() bool {
	silent := time.Duration(0)
	for _, loud := range v.loud {
		if silent += window; loud {
			silent = 0
		}
		if silent >= longEnough {
			return true
		}
	}
	return false
}
