package main

import (
	"fmt"
	"os"
	"sync"
	"time"
)

// maxLines bounds what is kept of one conversation; the oldest lines go.
const maxLines = 3000

// eventLog is what happened to one conversation, in memory until somebody wants to read it. It is safe for concurrent use.
type eventLog struct {
	began time.Time

	mu    sync.Mutex
	lines []string
	at    int // of the oldest, once there are maxLines
}

func (l *eventLog) say(format string, args ...any) {
	line := fmt.Sprintf("%9.3f  ", time.Since(l.began).Seconds()) + fmt.Sprintf(format, args...)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines) < maxLines {
		l.lines = append(l.lines, line)
		return
	}
	l.lines[l.at] = line
	l.at = (l.at + 1) % maxLines
}

// write puts the log into a file.
func (l *eventLog) write(name string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	f, err := os.Create(name) //nolint:gosec // under the directory that was asked for
	if err != nil {
		return err
	}
	for i := range l.lines {
		if _, err = fmt.Fprintln(f, l.lines[(l.at+i)%len(l.lines)]); err != nil {
			break
		}
	}
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}
