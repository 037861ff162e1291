//go:build unix && (!linux || race)

package wire

import "syscall"

const readCall, writeCall = 0, 0

// call reads or writes p. Here the scheduler is told: elsewhere than on Linux there is no other way, and the race
// detector learns from it what happens before what.
func call(how func(int, []byte) (int, error), _, fd uintptr, p []byte) (int, syscall.Errno) {
	for {
		n, err := how(int(fd), p)
		errno, _ := err.(syscall.Errno) //nolint:errorlint // package syscall's calls return nothing else
		if errno != syscall.EINTR {
			return max(n, 0), errno
		}
	}
}
