package main

import "time"

// meter reads what the server's processes use.
type meter struct{ pids []int }

// reading is what they have used at a moment.
type reading struct {
	cpu        time.Duration
	residentKB int64
	peakKB     int64
	ok         bool // all of them could be read
}

// read asks the system. A nil meter knows nothing.
func (m *meter) read() (sum reading) {
	if m == nil {
		return sum
	}
	sum.ok = true
	for _, pid := range m.pids {
		r := readProcess(pid)
		sum.cpu += r.cpu
		sum.residentKB += r.residentKB
		sum.peakKB += r.peakKB
		sum.ok = sum.ok && r.ok
	}
	return sum
}

// newMeter looks for the server's processes: the one that was named, else those that listen on the target's port of this
// machine. It returns nil where there are none to be seen.
func newMeter(o *options) *meter {
	if o.pid > 0 {
		if readProcess(o.pid).ok {
			return &meter{pids: []int{o.pid}}
		}
		return nil
	}
	if !o.target.here() {
		return nil
	}
	if pids := listeners(o.target.host); len(pids) > 0 {
		return &meter{pids: pids}
	}
	return nil
}
