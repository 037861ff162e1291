package live

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestDrain_doesNotWaitForAClientThatHasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, up, _ := talk(t, nil)
		up.says(counting(0, 100)) // an answer that does not end
		p.settle()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		over := make(chan struct{})
		go func() { defer close(over); p.gateway.Drain(ctx) }() //nolint:errcheck // it ends in time
		time.Sleep(time.Second)
		at := time.Now()
		p.cut(0)
		<-over
		if took := time.Since(at); took > time.Second {
			t.Errorf("the upstream was held for %v for nobody", took)
		}
	})
}

func TestDrain_doesNotWaitForAConnectionThatTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, up, _ := talk(t, nil)
		up.says(Event{Kind: EventResumption, Handle: "h", Resumable: true, Consumed: -1})
		p.settle()
		stuck := newPerson(t, p.gateway)
		stuck.connect(false)
		stuck.b.room = 0
		synctest.Wait()
		at := time.Now()
		over := make(chan error)
		go func() { over <- p.gateway.Drain(t.Context()) }()
		<-p.done
		if took := time.Since(at); took > 0 {
			t.Errorf("the conversation could be handed over after %v only", took)
		}
		if err := <-over; err != nil {
			t.Error(err)
		}
		<-stuck.done
	})
}

func TestResume_whoComesBackToASessionThatWasDrainedIsSentOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _, _ := talk(t, nil)
		opened, _ := p.gateway.sealer.open(p.ticket, time.Now())
		go p.gateway.Drain(t.Context()) //nolint:errcheck // its session ends in time
		<-p.done
		synctest.Wait()
		_, no := p.gateway.known(&opened) // as a connection asks that was let in before the drain
		if no == nil || no.reason != ReasonServerDraining || len(no.last) > 0 {
			t.Errorf("it was told %+v", no)
		}
	})
}

// A turn that the newest handle does not know will be answered once more elsewhere: the ticket says so.
func TestDrain_aTurnThatNoHandleKnowsIsToldToBeSpokenAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, up, _ := talk(t, nil)
		up.says(Event{Kind: EventResumption, Handle: "h", Resumable: true, Consumed: -1})
		p.settle()
		p.say(`{"type":"text","text":"x"}`)
		time.Sleep(time.Second)
		up.says(counting(0, 40), Event{Kind: EventGenerationComplete}, Event{Kind: EventTurnComplete})
		p.settle()
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		defer cancel()
		go p.gateway.Drain(ctx) //nolint:errcheck // it ends in time
		<-p.done
		p.look()
		opened, err := p.gateway.sealer.open(p.ticket, time.Now())
		if err != nil || opened.Handle != "h" || !opened.Answering {
			t.Errorf("the last ticket: handle %q, answering %v, %v", opened.Handle, opened.Answering, err)
		}
	})
}
