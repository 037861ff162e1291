package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"time"
)

// voice is what a person says over and over: PCM, 16 bit, mono.
type voice struct {
	pcm []byte
	hz  int

	loud   []bool // of each window: it is speech; see listen
	window int    // bytes
}

func (v *voice) length() time.Duration {
	return time.Duration(len(v.pcm)/2) * time.Second / time.Duration(v.hz)
}

// synthetic is four seconds that every detector of speech takes for speech: a voice's harmonics, four syllables a second.
func synthetic() *voice {
	const hz, pitch, syllables = 16000, 140.0, 4.0
	v := &voice{hz: hz, pcm: make([]byte, 0, 4*2*hz)}
	for i := range 4 * hz {
		t := float64(i) / hz
		sample := 0.0
		for k := 1.0; k <= 12; k++ {
			sample += math.Sin(2*math.Pi*pitch*k*t) / k
		}
		open := 0.15 + 0.85*math.Pow(math.Sin(math.Pi*syllables*t), 2)
		v.pcm = binary.LittleEndian.AppendUint16(v.pcm, uint16(int16(sample*open*7000)))
	}
	v.listen()
	return v
}

// maxWAV bounds the file that is read: more than an hour at 16 kHz.
const maxWAV = 128 << 20

// readWAV reads a RIFF file of PCM, 16 bit, mono. The error is a sentence.
func readWAV(name string) (*voice, error) {
	file, err := os.Open(name) //nolint:gosec // the file that a person names
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // nothing was written
	data, err := io.ReadAll(io.LimitReader(file, maxWAV+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxWAV {
		return nil, fmt.Errorf("%s is longer than %d MB", name, maxWAV>>20)
	}
	v, err := parseWAV(data)
	if err != nil {
		return nil, fmt.Errorf("%s %w", name, err)
	}
	return v, nil
}

// parseWAV walks over the chunks of a RIFF file. The error continues a sentence that begins with the file's name.
func parseWAV(data []byte) (*voice, error) {
	if len(data) < 12 || !bytes.Equal(data[:4], []byte("RIFF")) || !bytes.Equal(data[8:12], []byte("WAVE")) {
		return nil, errors.New("is no WAV file")
	}
	v := &voice{}
	for rest := data[12:]; len(rest) >= 8; {
		id, size := string(rest[:4]), uint64(binary.LittleEndian.Uint32(rest[4:]))
		body := rest[8:min(8+size, uint64(len(rest)))]
		switch id {
		case "fmt ":
			if err := v.format(body); err != nil {
				return nil, err
			}
		case "data":
			v.pcm = body[:len(body)&^1]
		}
		// Chunks begin at even places. What is cut short, as by a recorder that was killed, ends here.
		rest = rest[min(8+size+size%2, uint64(len(rest))):]
	}
	switch {
	case v.hz == 0:
		return nil, errors.New("does not say what format it has")
	case v.length() < 100*time.Millisecond:
		return nil, fmt.Errorf("holds only %v of sound", v.length())
	}
	if v.listen(); !slices.Contains(v.loud, true) {
		return nil, errors.New("is silent from its beginning to its end")
	}
	return v, nil
}

// format reads a fmt chunk (WAVEFORMATEX).
func (v *voice) format(p []byte) error {
	const pcm, extensible = 1, 0xFFFE
	if len(p) < 16 {
		return errors.New("has a broken format")
	}
	tag, channels := binary.LittleEndian.Uint16(p), binary.LittleEndian.Uint16(p[2:])
	hz, bits := binary.LittleEndian.Uint32(p[4:]), binary.LittleEndian.Uint16(p[14:])
	if tag == extensible && len(p) >= 26 {
		tag = binary.LittleEndian.Uint16(p[24:]) // the first two bytes of the subformat's GUID
	}
	if tag != pcm || channels != 1 || bits != 16 || hz < 8000 || hz > 48000 {
		return fmt.Errorf("must be PCM, 16 bit, mono, 8 to 48 kHz; it has format %d, %d bit, %d channels, %d Hz (ffmpeg -i in.wav -ac 1 -ar 16000 -c:a pcm_s16le out.wav makes one)", tag, bits, channels, hz)
	}
	v.hz = int(hz)
	return nil
}

// script says what each frame of a session holds: the voice, with its own pauses, for a while, then silence, and again.
type script struct {
	voice         *voice
	frame         int
	interval      time.Duration
	talk, silence time.Duration
}

// fill writes the PCM of frame k into p and reports whether it is speech. Speech begins with the beginning of the voice.
func (s *script) fill(p []byte, k uint32) (speech bool) {
	at := s.into(k)
	if at >= s.talk {
		clear(p)
		return false
	}
	// The voice goes on from frame to frame by bytes, so that it is whole at any rate.
	from := int(at/s.interval) * s.frame % len(s.voice.pcm) &^ 1
	for n := copy(p, s.voice.pcm[from:]); n < len(p); {
		n += copy(p[n:], s.voice.pcm)
	}
	return s.voice.speaks(from, len(p))
}

// into is how far frame k lies in its cycle of talk and silence.
func (s *script) into(k uint32) time.Duration {
	at := time.Duration(k) * s.interval
	if s.silence == 0 {
		return at % s.talk
	}
	return at % (s.talk + s.silence)
}
