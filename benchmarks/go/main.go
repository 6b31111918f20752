// Command bench is the Go side of the benchmarks: a bare gRPC server, a load generator for RPC calls, a crowd of
// WebSocket clients, a chat of them, and a bare hub for the chat. Each prints JSON, one object a line.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"syscall"
	"time"
)

var commands = map[string]func([]string) (any, error){
	"serve":     serve,
	"load":      load,
	"load-http": loadHTTP,
	"crowd":     crowd,
	"chat":      chat,
	"hub":       hub,
}

func main() {
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fail(fmt.Errorf("usage: bench serve|load|load-http|crowd|chat|hub [options]"))
	}
	report, err := commands[os.Args[1]](os.Args[2:])
	if err != nil {
		fail(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(report); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "bench:", err)
	os.Exit(1)
}

// call is a request and the answer of a bare server; calls.py writes a file of them.
type call struct {
	Name   string `json:"name"`
	Method string `json:"method"`
	Data   []byte `json:"data"`
	Answer []byte `json:"answer"`
	JSON   []byte `json:"json"`
}

func readCalls(path string) ([]call, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var calls []call
	return calls, json.Unmarshal(text, &calls)
}

// cpuSeconds returns the CPU time of this process so far, user and system.
func cpuSeconds() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}

// milliseconds returns a quantile of sorted durations.
func milliseconds(sorted []time.Duration, quantile float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	place := int(quantile * float64(len(sorted)-1))
	return float64(sorted[place].Microseconds()) / 1000
}

func merged(parts [][]time.Duration) []time.Duration {
	var all []time.Duration
	for _, part := range parts {
		all = append(all, part...)
	}
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	return all
}
