package gemini

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/stonepot/stonepot/live"
)

// TestShape_meansWhatTheScannerReads: messages that follow each other on one connection mean what each of them means alone,
// whatever is remembered of the ones before.
func TestShape_meansWhatTheScannerReads(t *testing.T) {
	audio := audioFrame(sample(960))
	i := strings.Index(audio, `"data":"`) + len(`"data":"`)
	head, tail := audio[:i], audio[strings.LastIndex(audio, `"}}]`):]
	list := []string{
		audio, audioFrame(sample(1921)), audioFrame(sample(1921)), audio, pretty(audio), pretty(audioFrame(sample(40))),
		head + tail, head + "A" + tail, head + "AQI=" + tail, head + `\/\/8=` + tail, head + "AQ\nI=" + tail, head + "AQI=" + tail,
		head + `AQI="}},{"text":"x"},{"inlineData":{"mimeType":"audio/pcm;rate=24000","data":"AQI=` + tail,
		head + `AQI=","mimeType":"audio/pcm;rate=16000` + tail, head + `AQI="}}]},"turnComplete":true,"x":{"y":[{"z":{"a":"` + tail,
		head, tail, head + "AQI=" + tail[:len(tail)-1], head + "AQI=" + tail + " ", "{", audio,
		strings.Replace(audio, "24000", "16000", 1), strings.Replace(audio, "data", "dat\\u0061", 1), audio,
		`{"serverContent":{"turnComplete":true}}`, audio, strings.Replace(audio, "}}]}}}", `}}]},"turnComplete":true}}`, 1), audio,
	}
	for _, c := range serverMessages {
		list = append(list, c.json, audio)
	}
	r := rand.New(rand.NewPCG(1, 2))
	g := &generator{r}
	for range 3000 {
		list = append(list, list[r.IntN(len(list))])
		if r.IntN(4) == 0 {
			list = append(list, g.message())
		}
	}
	m, fits := new(message), 0
	for _, text := range list {
		alone, aloneErr := eventsOf((*message).decode, []byte(text), new(carry))
		var got []live.Event
		got, err := eventsOf(func(fresh *message, p []byte) error {
			if m.fits([]byte(string(p))) { // a copy: what fits is decoded
				fits++
			}
			err := m.decode(p)
			*fresh = *m
			return err
		}, []byte(text), new(carry))
		if fmt.Sprint(aloneErr) != fmt.Sprint(err) || !reflect.DeepEqual(alone, got) {
			t.Fatalf("%.200q\nalone %v, %v\nafter others %v, %v", text, alone, aloneErr, got, err)
		}
	}
	if fits < 300 {
		t.Errorf("what was remembered fitted %d times only", fits)
	}
}

// What only looks like the message before is put back in memory that is borrowed.
func TestShape_thatDoesNotFitCostsNoMemory(t *testing.T) {
	audio := audioFrame(sample(960))
	from, to := strings.Index(audio, `"data":"`)+len(`"data":"`), strings.LastIndex(audio, `"}}]`)
	m := new(message)
	if err := m.decode([]byte(audio)); err != nil {
		t.Fatal(err)
	}
	two := audio[:to] + `"}},{"inlineData":{"mimeType":"audio/pcm;rate=24000","data":"` + audio[from:]
	p := make([]byte, len(two))
	if n := testing.AllocsPerRun(500, func() {
		copy(p, two)
		if m.fits(p) || string(p) != two {
			t.Fatalf("%.300q", p)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
