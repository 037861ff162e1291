package live

import (
	"slices"
	"time"
)

// aside is what of the items that trim has forgotten is worth more than the speech around it: texts, which nobody may lose untold,
// and the beginning of the push-to-talk activity that is open, outside of which the upstream would not hear the rest. They keep
// their places, all of them before the oldest item, and are given again as the items are. nil: there are none, as nearly always.
//
//	items:   given and kept ... | not yet given ...
//	         0                  done            len
//
// It is bounded with the other commands that are kept, by maxQueuedBytes; texts beyond it are counted, and told when they are missing.
type aside struct {
	items []asideItem
	done  int

	lost     int   // texts that were given up
	lostTo   int64 // the place behind the newest of them
	lostFrom int64 // the number of the oldest's client message
	missing  bool  // the upstream's connection does not know them
}

// asideItem is one command.
type asideItem struct {
	item
	place int64 // it had among the items
	index int64 // of the message in which the upstream's connection was given it; 0: it was not
}

// at is the place before it.
func (a *asideItem) at() cursor { return cursor{item: a.place, pos: a.pos} }

// setAside keeps what the oldest item, which is about to be forgotten, has to say. Called with mu held.
func (in *inbox) setAside() {
	it := in.items.at(0)
	if it.command == nil {
		return
	}
	switch it.command.Kind {
	case CommandText, CommandActivityStart:
	case CommandActivityEnd:
		in.unmarkAside()
		return
	default:
		return
	}
	if in.aside == nil {
		in.aside = new(aside)
	}
	a := asideItem{item: *it, place: in.first}
	for i := range in.marks.len() {
		if m := in.marks.at(i); m.at.item > a.place {
			a.index = int64(m.index)
			break
		}
	}
	in.aside.items = append(in.aside.items, a)
	in.aside.done++ // what an upstream has yet to be given of them goes before all items
	in.keptBytes += it.command.cost()
}

// dropAside gives the oldest up for want of room, and reports whether there was one. Called with mu held.
func (in *inbox) dropAside() bool {
	a := in.aside
	if a == nil || a.done == 0 {
		return false
	}
	it := &a.items[0]
	in.keptBytes -= it.command.cost()
	if it.command.Kind == CommandText {
		if a.lost++; a.lost == 1 {
			a.lostFrom = it.seq
		}
		a.lostTo = it.place + 1
	}
	a.items = slices.Delete(a.items, 0, 1)
	a.done--
	return true
}

// unmarkAside forgets the beginning of an activity. Called with mu held.
func (in *inbox) unmarkAside() {
	if in.aside == nil {
		return
	}
	a := in.aside
	for i := len(a.items) - 1; i >= 0; i-- {
		it := &a.items[i]
		if it.command.Kind != CommandActivityStart {
			continue
		}
		if i < a.done {
			in.keptBytes -= it.command.cost()
			a.done--
		} else if !it.passed {
			in.given(it.command)
		}
		a.items = slices.Delete(a.items, i, i+1)
	}
}

// coverAside forgets what a span knows. Called with mu held.
func (in *inbox) coverAside(known span) {
	a := in.aside
	if a == nil {
		return
	}
	n := 0
	for ; n < a.done && a.items[n].place < known.commands.item; n++ {
		in.keptBytes -= a.items[n].command.cost()
	}
	a.items = slices.Delete(a.items, 0, n)
	a.done -= n
	if a.lostTo <= known.commands.item {
		a.lost = 0
	}
	if len(a.items) == 0 && a.lost == 0 {
		in.aside = nil
	}
}

// answered forgets the texts that a span knows and that lie behind the speech which is kept.
func (in *inbox) answered(known span) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.coverAside(known)
}

// rewindAside makes those that a span does not know go up once more. Called with mu held.
func (in *inbox) rewindAside(known span) {
	a := in.aside
	if a == nil {
		return
	}
	a.done, a.missing = 0, a.lostTo > known.commands.item
	for i := range a.items {
		it := &a.items[i]
		it.index = 0
		if it.passed = it.place < known.commands.item; it.passed {
			in.keptBytes += it.command.cost()
			a.done++
		} else {
			in.requeue(it.command, true)
		}
	}
}

// takeAside gives out the next of them; nil: none waits. Called with mu held.
func (in *inbox) takeAside() *Command {
	a := in.aside
	if a == nil {
		return nil
	}
	for a.done < len(a.items) {
		it := &a.items[a.done]
		a.done++
		in.keptBytes += it.command.cost()
		if it.passed {
			continue
		}
		it.command.given = time.Now().UnixNano()
		in.given(it.command)
		return it.command
	}
	return nil
}

// next is the first that has yet to be given; nil: there is none.
func (a *aside) next() *asideItem {
	if a == nil || a.done == len(a.items) {
		return nil
	}
	return &a.items[a.done]
}

// markAside notes that the newest that was given was in the upstream's message with an index. Called with mu held.
func (in *inbox) markAside(index int64) {
	if a := in.aside; a.done > 0 {
		if it := &a.items[a.done-1]; it.index == 0 && it.place >= in.base.commands.item {
			it.index = index
		}
	}
}

// consumedAside adds to what an upstream knows that has taken its message with an index. Called with mu held.
func (in *inbox) consumedAside(known span, index int64) span {
	if in.aside == nil {
		return known
	}
	for i := range in.aside.items {
		if it := &in.aside.items[i]; it.index > 0 && it.index <= index {
			behind := it.at()
			behind.item++
			known = span{behind.later(known.audio), behind.later(known.commands)}
		}
	}
	return known
}

// unknownAside are those that a span does not know. Called with mu held.
func (in *inbox) unknownAside(known span) []asideItem {
	if in.aside == nil {
		return nil
	}
	i := 0
	for i < len(in.aside.items) && in.aside.items[i].place < known.commands.item {
		i++
	}
	return in.aside.items[i:]
}

// forgotten tells, once, how many texts the upstream's connection should have been given again and were not kept.
func (in *inbox) forgotten() (texts int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if a := in.aside; a != nil && a.missing {
		texts, a.lost, a.missing = a.lost, 0, false
	}
	return texts
}
