package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of CPU times in /proc/<pid>/stat: USER_HZ is 100 on every architecture that Go runs on.
const tick = 10 * time.Millisecond

// readProcess reads /proc (proc_pid_stat(5), proc_pid_status(5)).
func readProcess(pid int) (r reading) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return r
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return r
	}
	cpu, ok := cpuOf(stat)
	if !ok {
		return r
	}
	return reading{cpu: cpu, residentKB: kilobytes(status, "VmRSS:"), peakKB: kilobytes(status, "VmHWM:"), ok: true}
}

// cpuOf takes user and system time out of a stat file. The program's name, in parentheses, may hold anything.
func cpuOf(stat []byte) (cpu time.Duration, ok bool) {
	end := bytes.LastIndexByte(stat, ')')
	if end < 0 {
		return 0, false
	}
	fields := strings.Fields(string(stat[end+1:]))
	const user, system = 14 - 3, 15 - 3 // the fields are counted from 1, and the first behind the name is the third
	if len(fields) <= system {
		return 0, false
	}
	u, err1 := strconv.ParseInt(fields[user], 10, 64)
	s, err2 := strconv.ParseInt(fields[system], 10, 64)
	return time.Duration(u+s) * tick, err1 == nil && err2 == nil
}

func kilobytes(status []byte, name string) (kb int64) {
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			_, _ = fmt.Sscan(rest, &kb)
			return kb
		}
	}
	return 0
}

// listeners are the processes that listen on the port of host, in order.
func listeners(host string) (pids []int) {
	_, text, err := net.SplitHostPort(host)
	if err != nil {
		return nil
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return nil
	}
	sockets := map[string]bool{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		if data, err := os.ReadFile(table); err == nil {
			for _, inode := range listening(data, uint16(port)) {
				sockets["socket:["+inode+"]"] = true
			}
		}
	}
	if len(sockets) == 0 {
		return nil
	}
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*") // what may not be read is left out
	for _, link := range links {
		if name, err := os.Readlink(link); err == nil && sockets[name] {
			if pid, err := strconv.Atoi(strings.Split(link, "/")[2]); err == nil && !slices.Contains(pids, pid) {
				pids = append(pids, pid)
			}
		}
	}
	slices.Sort(pids)
	return pids
}

// listening takes out of a table such as /proc/net/tcp (proc_pid_net(5)) the inodes of sockets that listen on port.
func listening(table []byte, port uint16) (inodes []string) {
	const local, state, inode, listen = 1, 3, 9, "0A"
	suffix := fmt.Sprintf(":%04X", port)
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line)
		if len(f) > inode && strings.HasSuffix(f[local], suffix) && f[state] == listen {
			inodes = append(inodes, f[inode])
		}
	}
	return inodes
}
