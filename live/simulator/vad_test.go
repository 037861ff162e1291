package simulator

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"
)

// noise is d of white noise with samples up to volume, at 16 kHz.
func noise(r *rand.Rand, d time.Duration, volume int) []byte {
	n := int(d * 16000 / time.Second)
	pcm := make([]byte, 2*n)
	for i := range n {
		binary.LittleEndian.PutUint16(pcm[2*i:], uint16(int16(r.IntN(2*volume+1)-volume)))
	}
	return pcm
}

func TestDetector_findsSpeechInRoomsOfAnyNoise(t *testing.T) {
	for _, room := range []int{0, 30, 300, 1500} {
		r := rand.New(rand.NewPCG(1, uint64(room)))
		d := newDetector(detection{prefix: 20 * time.Millisecond, silence: 300 * time.Millisecond, threshold: thresholdHigh}, 16000)
		var began, ended int
		hear := func(pcm []byte) {
			for len(pcm) > 0 { // frames of 20 ms
				n := min(640, len(pcm))
				b, e, _ := d.hear(pcm[:n])
				pcm = pcm[n:]
				if b {
					began++
				}
				if e {
					ended++
				}
			}
		}
		hear(noise(r, 7*time.Second, room))
		began, ended = 0, 0 // a loud room may be taken for speech until the floor is known
		d.reset()
		for range 3 {
			hear(noise(r, 600*time.Millisecond, 12000))
			hear(noise(r, 150*time.Millisecond, room)) // a pause inside a sentence
			hear(noise(r, 500*time.Millisecond, 9000))
			hear(noise(r, time.Second, room))
		}
		if began != 3 || ended != 3 {
			t.Errorf("room of %d: %d beginnings and %d ends, want 3 of each", room, began, ended)
		}
	}
}

func TestDetector_aClickIsNoSpeech(t *testing.T) {
	d := newDetector(detection{prefix: 50 * time.Millisecond, silence: 300 * time.Millisecond, threshold: thresholdHigh}, 16000)
	r := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		if began, _, _ := d.hear(append(noise(r, 30*time.Millisecond, 20000), make([]byte, 3200)...)); began {
			t.Fatal("30 ms of noise were taken for speech where 50 ms are asked for")
		}
	}
}

func TestResample_keepsTheLengthInTime(t *testing.T) {
	for _, rate := range []int{8000, 16000, 24000, 44100, 48000} {
		if n := len(resample(make([]byte, 2*rate), rate, outputRate)); n != 2*outputRate {
			t.Errorf("a second at %d Hz became %d bytes, want %d", rate, n, 2*outputRate)
		}
	}
}
