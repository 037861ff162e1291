package simulator

import (
	"encoding/binary"
	"math"
	"time"
)

// outputRate is the rate of all answers in Hz, as that of the real models.
const outputRate = 24000

// samplesFor is how many samples of an answer last d.
func samplesFor(d time.Duration) int { return int(d * outputRate / time.Second) }

// lasting is how long n bytes of an answer play.
func lasting(n int) time.Duration { return time.Duration(n/2) * time.Second / outputRate }

// chime is the short sound in front of each answer: two notes that rise, so that nobody takes the playback for a
// line that echoes.
func chime() []byte {
	var pcm []byte
	for i, hz := range []float64{587, 880} {
		pcm = appendTone(pcm, hz, 90*time.Millisecond, 0.22+0.04*float64(i))
	}
	return append(pcm, make([]byte, 2*samplesFor(60*time.Millisecond))...)
}

// appendTone appends a note with soft edges.
func appendTone(pcm []byte, hz float64, d time.Duration, volume float64) []byte {
	n := samplesFor(d)
	edge := float64(samplesFor(8 * time.Millisecond))
	for i := range n {
		gain := min(1, float64(i)/edge, float64(n-i)/edge)
		v := math.Sin(2*math.Pi*hz*float64(i)/outputRate) * gain * volume * math.MaxInt16
		pcm = binary.LittleEndian.AppendUint16(pcm, uint16(int16(v)))
	}
	return pcm
}

// maxToneText bounds how much of a text is played as tones.
const maxToneText = 240

// appendTextTones plays a text letter by letter: vowels long, consonants short, spaces silent.
func appendTextTones(pcm []byte, text string) []byte {
	n := 0
	for _, r := range text {
		if n++; n > maxToneText {
			break
		}
		switch r {
		case ' ', '\n', '\t', '.', ',', '!', '?':
			pcm = append(pcm, make([]byte, 2*samplesFor(50*time.Millisecond))...)
		case 'a', 'e', 'i', 'o', 'u', 'A', 'E', 'I', 'O', 'U':
			pcm = appendTone(pcm, 220*math.Pow(2, float64(r%12)/12), 70*time.Millisecond, 0.2)
		default:
			pcm = appendTone(pcm, 330*math.Pow(2, float64(r%12)/12), 35*time.Millisecond, 0.14)
		}
	}
	return pcm
}

// resample turns PCM of one rate into PCM of another, by straight lines between samples: the voice stays clear, and
// nobody judges a simulator by its highs.
func resample(pcm []byte, from, to int) []byte {
	in := len(pcm) / 2
	if in == 0 {
		return nil
	}
	out := in * to / from
	at := func(i int) float64 {
		i = min(i, in-1)
		return float64(int16(binary.LittleEndian.Uint16(pcm[2*i:])))
	}
	played := make([]byte, 0, 2*out)
	for i := range out {
		x := float64(i) * float64(from) / float64(to)
		k := int(x)
		v := at(k) + (at(k+1)-at(k))*(x-float64(k))
		played = binary.LittleEndian.AppendUint16(played, uint16(int16(v)))
	}
	return played
}
