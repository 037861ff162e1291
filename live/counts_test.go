package live

import (
	"testing"
	"testing/synctest"
	"time"
)

// A connection that was given up as slow has received nothing new; the next one gets the whole write timeout.
func TestWindow_aNewConnectionHasTimeToAcknowledge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, up, _ := talk(t, nil)
		p.acknowledge()
		p.settle()
		up.says(counting(0, 2000))
		synctest.Wait()
		p.read = len(p.b.wire)
		<-p.done // nothing of the speech came through
		if !p.resume() {
			t.Fatal("a slow client lost the conversation")
		}
		for range 20 {
			p.acknowledge()
			time.Sleep(200 * time.Millisecond)
			p.settle()
		}
		wantCounting(t, p.heard, 2000)
		p.leave()
	})
}
