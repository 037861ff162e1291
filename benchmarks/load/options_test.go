package main

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestParse_refusesInWords(t *testing.T) {
	for args, word := range map[string]string{
		"":                                                                "no URL",
		"--sessions 5":                                                    "no URL",
		"ftp://127.0.0.1":                                                 "ws://",
		"127.0.0.1:8080":                                                  "ws://",
		"ws://":                                                           "ws://",
		"ws://:8080":                                                      "no host",
		"ws://me:secret@127.0.0.1":                                        "--header",
		"ws://127.0.0.1/#x":                                               "fragment",
		"ws://127.0.0.1 ws://127.0.0.1":                                   "one argument too many",
		"--wrong ws://127.0.0.1":                                          "--help",
		"--sessions x ws://127.0.0.1":                                     `--sessions must be a number, got "x"; --help`,
		"--rate x ws://127.0.0.1":                                         `--rate must be a number, got "x"`,
		"--rate NaN ws://127.0.0.1":                                       "--rate must be between",
		"--duration 3 ws://127.0.0.1":                                     `--duration must be a time such as 500ms, 10s or 2m, got "3"`,
		"--quiet=x ws://127.0.0.1":                                        `--quiet must be true or false, got "x"`,
		"--header x ws://127.0.0.1":                                       `--header: it must look like "Authorization: Bearer secret", got "x"`,
		"--nothing ws://127.0.0.1":                                        "there is no flag --nothing",
		"ws://127.0.0.1 --sessions":                                       "--sessions needs a value",
		"--sessions 0 ws://127.0.0.1":                                     "--sessions",
		"--sessions 2001 ws://127.0.0.1":                                  "--unbounded",
		"--sessions 50001 --unbounded ws://127.0.0.1":                     "--sessions",
		"--duration 11m ws://127.0.0.1":                                   "--unbounded",
		"--duration 1ms ws://127.0.0.1":                                   "--duration",
		"--ramp -1s ws://127.0.0.1":                                       "--ramp",
		"--warm-up -1s ws://127.0.0.1":                                    "--warm-up",
		"--timeout 1ms ws://127.0.0.1":                                    "--timeout",
		"--frame 22 ws://127.0.0.1":                                       "--frame",
		"--frame 641 ws://127.0.0.1":                                      "--frame",
		"--frame 0 ws://127.0.0.1":                                        "--frame",
		"--rate 0.5 ws://127.0.0.1":                                       "--rate",
		"--frame 64000 ws://127.0.0.1":                                    "--rate",
		"--rate -1 ws://127.0.0.1":                                        "--rate",
		"--talk 1ms ws://127.0.0.1":                                       "--talk",
		"--silence -1s ws://127.0.0.1":                                    "--silence",
		"--expect answers --silence 0s ws://127.0.0.1":                    "--silence",
		"--late 0s ws://127.0.0.1":                                        "--late",
		"--dialect google ws://127.0.0.1":                                 "--dialect",
		"--backend openai ws://127.0.0.1":                                 "--backend",
		"--backend vertex ws://127.0.0.1/api/gemini-live-stream":          "belongs to the backend gemini",
		"--expect noise ws://127.0.0.1":                                   "--expect",
		"--wav /nowhere.wav ws://127.0.0.1":                               "--wav",
		"--header nonsense ws://127.0.0.1":                                "--help",
		"--pid -1 ws://127.0.0.1":                                         "--pid",
		"--limit-p99 -1s ws://127.0.0.1":                                  "--limit-p99",
		"--limit-lost -1 ws://127.0.0.1":                                  "--limit-lost",
		"--find-max --precision 0 ws://127.0.0.1":                         "--precision",
		"--find-max --precision NaN ws://127.0.0.1":                       "--precision",
		"--precision 3 ws://127.0.0.1":                                    "--find-max",
		"--max-sessions 3 ws://127.0.0.1":                                 "--find-max",
		"--find-max --sessions 30 --max-sessions 3 ws://127.0.0.1":        "--max-sessions",
		"--start x ws://127.0.0.1":                                        "leave the URL",
		"--start x --simulator 127.0.0.1:1":                               "--start brings its own",
		"--start x --expect answers":                                      "--expect answers",
		"--start x --backend vertex":                                      "--backend vertex",
		"--simulator here ws://127.0.0.1":                                 "--simulator",
		"--simulator 10.0.0.1:1 ws://127.0.0.1":                           "loopback",
		"--simulator 127.0.0.1:1 --i-own-this-target wss://voice.example": "--simulator",
		"wss://voice.example":                                             "--i-own-this-target",
		"ws://192.168.0.7:8080":                                           "--i-own-this-target",
		"ws://localhost.voice.example":                                    "--i-own-this-target",
		"ws://[2001:db8::1]:8080":                                         "--i-own-this-target",
	} {
		o, err := parse(strings.Fields(args), &bytes.Buffer{})
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %+v %v", args, o, err)
		}
	}
}

func TestParse_understands(t *testing.T) {
	for args, holds := range map[string]func(o *options) bool{
		"ws://127.0.0.1:8080": func(o *options) bool {
			return o.target.host == "127.0.0.1:8080" && !o.target.tls && o.target.path == "" && o.rate == 50 && o.rampOf(10) == 200*time.Millisecond
		},
		"http://localhost --sessions 7":           func(o *options) bool { return o.target.host == "localhost:80" && o.sessions == 7 },
		"--sessions 7 ws://[::1]:9 --resumable":   func(o *options) bool { return o.target.host == "[::1]:9" && o.resumable },
		"https://127.1.2.3":                       func(o *options) bool { return o.target.host == "127.1.2.3:443" && o.target.tls },
		"wss://voice.example --i-own-this-target": func(o *options) bool { return o.target.host == "voice.example:443" && o.owned },
		"ws://127.0.0.1/api/vertex-ai-live?x=1": func(o *options) bool {
			return o.target.backend == "vertex" && o.target.voicePath() == "/api/vertex-ai-live?x=1" && o.target.String() == "ws://127.0.0.1:80/api/vertex-ai-live"
		},
		"ws://127.0.0.1 --backend vertex":             func(o *options) bool { return o.target.voicePath() == "/api/vertex-ai-live" },
		"ws://127.0.0.1 --frame 3200":                 func(o *options) bool { return o.rate == 10 },
		"ws://127.0.0.1 --frame 3200 --rate 25":       func(o *options) bool { return o.rate == 25 },
		"ws://127.0.0.1 --unbounded --duration 20m":   func(o *options) bool { return o.duration == 20*time.Minute },
		"ws://127.0.0.1 --header A:b --header A:c":    func(o *options) bool { return len(o.header["A"]) == 2 && o.header.Get("a") == "b" },
		"ws://127.0.0.1 --limit-lost 0":               func(o *options) bool { return o.limited },
		"--start x":                                   func(o *options) bool { return o.start == "x" && !o.limited },
		"ws://127.0.0.1 --simulator localhost:9100":   func(o *options) bool { return o.ownModel() },
		"ws://127.0.0.1 --find-max --max-sessions 50": func(o *options) bool { return o.findMax && o.maxSessions == 50 },
	} {
		o, err := parse(strings.Fields(args), &bytes.Buffer{})
		if err != nil || !holds(o) {
			t.Errorf("%s: %+v %v", args, o, err)
		}
	}
}

func TestCommand_refusesWithCodeTwoAndHelpsWithZero(t *testing.T) {
	if o := call(t, t.Context(), "ws://voice.example"); o.code != exitUsage || !strings.HasPrefix(o.err, "load: voice.example:80 is not this machine") {
		t.Errorf("%d %s", o.code, o.err)
	}
	if o := call(t, t.Context(), "--help"); o.code != exitDone || !strings.Contains(o.out, "--find-max") || o.err != "" {
		t.Errorf("%d %s %s", o.code, o.out, o.err)
	}
}

func TestGuard_letsNothingLeaveTheMachine(t *testing.T) {
	for _, address := range []string{"192.0.2.1:80", "[2001:db8::1]:80", "nonsense"} {
		if err := guard("tcp", address, nil); err == nil || !strings.Contains(err.Error(), "--i-own-this-target") {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, address := range []string{"127.0.0.1:80", "[::1]:80", "[::ffff:127.0.0.1]:80"} {
		if err := guard("tcp", address, nil); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// wav builds a RIFF file out of chunks.
func wav(chunks ...[]byte) []byte {
	var body []byte
	for _, c := range chunks {
		body = append(body, c...)
	}
	return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(4+len(body))), append([]byte("WAVE"), body...)...)
}

func chunk(id string, p []byte) []byte {
	c := append(binary.LittleEndian.AppendUint32([]byte(id), uint32(len(p))), p...)
	if len(p)%2 == 1 {
		c = append(c, 0)
	}
	return c
}

func format(tag, channels uint16, hz uint32, bits uint16, more ...byte) []byte {
	p := binary.LittleEndian.AppendUint16(nil, tag)
	p = binary.LittleEndian.AppendUint16(p, channels)
	p = binary.LittleEndian.AppendUint32(p, hz)
	p = binary.LittleEndian.AppendUint32(p, hz*uint32(channels)*uint32(bits)/8)
	p = binary.LittleEndian.AppendUint16(p, channels*bits/8)
	p = binary.LittleEndian.AppendUint16(p, bits)
	return chunk("fmt ", append(p, more...))
}

func TestParseWAV_readsWhatRecordersWrite(t *testing.T) {
	pcm := bytes.Repeat([]byte{1, 2}, 8000)
	guid := append([]byte{22, 0, 16, 0, 4, 0, 0, 0}, 1, 0, 0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71)
	cut := wav(format(1, 1, 24000, 16), chunk("data", pcm))
	for name, c := range map[string]struct {
		data []byte
		hz   int
		n    int
	}{
		"plain":        {wav(format(1, 1, 16000, 16), chunk("data", pcm)), 16000, len(pcm)},
		"other chunks": {wav(chunk("LIST", []byte("odd")), format(1, 1, 8000, 16), chunk("fact", nil), chunk("data", pcm), chunk("id3 ", []byte{1})), 8000, len(pcm)},
		"extensible":   {wav(format(0xFFFE, 1, 48000, 16, guid...), chunk("data", pcm)), 48000, len(pcm)},
		"cut short":    {cut[:len(cut)-1001], 24000, len(pcm) - 1002},
	} {
		v, err := parseWAV(c.data)
		if err != nil || v.hz != c.hz || len(v.pcm) != c.n {
			t.Errorf("%s: %+v %v", name, v, err)
		}
	}
}

func TestParseWAV_refusesInWords(t *testing.T) {
	pcm := make([]byte, 16000)
	for word, data := range map[string][]byte{
		"no WAV":       []byte("ID3 and so on, an MP3 file"),
		"2 channels":   wav(format(1, 2, 16000, 16), chunk("data", pcm)),
		"24 bit":       wav(format(1, 1, 16000, 24), chunk("data", pcm)),
		"96000 Hz":     wav(format(1, 1, 96000, 16), chunk("data", pcm)),
		"format 7":     wav(format(7, 1, 16000, 16), chunk("data", pcm)),
		"broken":       wav(chunk("fmt ", []byte{1}), chunk("data", pcm)),
		"does not say": wav(chunk("data", pcm)),
		"holds only":   wav(format(1, 1, 16000, 16), chunk("data", pcm[:100])),
		"is silent":    wav(format(1, 1, 16000, 16), chunk("data", pcm)),
	} {
		if v, err := parseWAV(data); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %+v %v", word, v, err)
		}
	}
}

func TestParse_speaksAFileForAsLongAsItIs(t *testing.T) {
	name := filepath.Join(t.TempDir(), "voice.wav")
	if err := os.WriteFile(name, wav(format(1, 1, 8000, 16), chunk("data", bytes.Repeat([]byte{1, 2}, 4000))), 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := parse([]string{"--wav", name, "ws://127.0.0.1"}, &bytes.Buffer{})
	if err != nil || o.talk != 500*time.Millisecond || o.voice.hz != 8000 || o.rate != 25 {
		t.Errorf("%+v %v", o, err)
	}
	if o, err = parse([]string{"--wav", name, "--talk", "2s", "ws://127.0.0.1"}, &bytes.Buffer{}); err != nil || o.talk != 2*time.Second {
		t.Errorf("%+v %v", o, err)
	}
	if got := string(startSession(true, o.voice.hz)); got != `{"type":"start_session","config":{"resumable":true,"audio":{"inputSampleRate":8000}}}` {
		t.Error(got)
	}
	if got := string(startSession(false, 16000)); got != `{"type":"start_session","config":{}}` {
		t.Error(got)
	}
}

func TestScript_speaksAndIsSilentInTurn(t *testing.T) {
	v := &voice{hz: 16000, pcm: make([]byte, 1000)}
	for i := range v.pcm {
		v.pcm[i] = byte(i%250 + 1)
	}
	v.listen()
	s := &script{voice: v, frame: 640, interval: 20 * time.Millisecond, talk: 60 * time.Millisecond, silence: 40 * time.Millisecond}
	var said []byte
	for k := range uint32(10) {
		p := bytes.Repeat([]byte{9}, 640)
		speech := s.fill(p, k)
		if want := k%5 < 3; speech != want || !want && !bytes.Equal(p, make([]byte, 640)) {
			t.Errorf("frame %d is speech: %v", k, speech)
		}
		if k < 3 {
			said = append(said, p...)
		}
	}
	if want := append(bytes.Clone(v.pcm), v.pcm...)[:1920]; !bytes.Equal(said, want) {
		t.Error("the voice does not go on from frame to frame, or does not begin anew at its end")
	}
	s.silence = 0
	for k := range uint32(10) {
		if !s.fill(make([]byte, 640), k) {
			t.Errorf("frame %d is silent", k)
		}
	}
}
