package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
)

const (
	sessions   = 4096
	callLimit  = 5 * time.Second
	readyLimit = 10 * time.Second
)

// measured is the report of load. Calls and latencies are those after the warm-up. All counts every call, for the CPU
// time that servers.py reads from outside.
type measured struct {
	Calls      int     `json:"calls"`
	All        int     `json:"all"`
	Errors     int     `json:"errors"`
	FirstError string  `json:"first_error,omitempty"`
	Seconds    float64 `json:"seconds"`
	Rate       float64 `json:"rate"`
	P50        float64 `json:"p50_ms"`
	P99        float64 `json:"p99_ms"`
	CPU        float64 `json:"cpu_seconds"`
}

// load makes unary calls, a number of them at a time over one HTTP/2 connection for each address, as anycable-go does.
func load(arguments []string) (any, error) {
	flags := flag.NewFlagSet("load", flag.ExitOnError)
	target := flags.String("target", "", "HOST:PORT, or list:///HOST:PORT,HOST:PORT for turns")
	path := flags.String("calls", "", "the file of calls")
	inFlight := flags.Int("in-flight", 28, "calls at a time; anycable-go's --rpc_concurrency is 28")
	seconds := flags.Duration("for", 2*time.Second, "how long to measure")
	warmUp := flags.Duration("warm-up", 300*time.Millisecond, "how long to call before that")
	root := flags.String("tls-root", "", "the certificate to trust; without one there is no TLS")
	_ = flags.Parse(arguments)
	calls, err := readCalls(*path)
	if err != nil {
		return nil, err
	}
	connection, err := dial(*target, *root, grpc.WithDefaultCallOptions(grpc.ForceCodec(raw{})))
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	if err := ready(connection, calls[0]); err != nil {
		return nil, err
	}
	began := time.Now()
	call := func(one call, number uint64) error { return invoke(connection, one, number) }
	return drive(call, calls, *inFlight, began.Add(*warmUp), began.Add(*warmUp+*seconds)), nil
}

func dial(target, root string, options ...grpc.DialOption) (*grpc.ClientConn, error) {
	secured, err := security(root)
	if err != nil {
		return nil, err
	}
	options = append(options, grpc.WithTransportCredentials(secured), grpc.WithResolvers(listed{}),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig":[{"round_robin":{}}]}`))
	return grpc.NewClient(target, options...)
}

func security(root string) (credentials.TransportCredentials, error) {
	if root == "" {
		return insecure.NewCredentials(), nil
	}
	text, err := os.ReadFile(root)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s has no certificate", root)
	}
	return credentials.NewTLS(&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}), nil
}

// ready makes the first call, which waits for the connection.
func ready(connection *grpc.ClientConn, first call) error {
	limited, cancel := context.WithTimeout(context.Background(), readyLimit)
	defer cancel()
	var answer []byte
	return connection.Invoke(session(limited, 0), "/"+service+"/"+first.Method, first.Data, &answer, grpc.WaitForReady(true))
}

func session(parent context.Context, number uint64) context.Context {
	return metadata.AppendToOutgoingContext(parent, "sid", fmt.Sprintf("V1StGXR8_Z5jdHi6%05d", number%sessions), "protov", "v1")
}

// making makes a call; the number picks its session.
type making func(one call, number uint64) error

type caller struct {
	times      []time.Duration
	all        int
	errors     int
	firstError string
}

func drive(do making, calls []call, inFlight int, from, until time.Time) measured {
	callers, next := make([]caller, inFlight), atomic.Uint64{}
	var running sync.WaitGroup
	before := cpuSeconds()
	for place := range callers {
		running.Go(func() { callers[place].run(do, calls, &next, from, until) })
	}
	running.Wait()
	return summed(callers, until.Sub(from).Seconds(), cpuSeconds()-before)
}

func (c *caller) run(do making, calls []call, next *atomic.Uint64, from, until time.Time) {
	for began := time.Now(); began.Before(until); began = time.Now() {
		number := next.Add(1)
		err := do(calls[number%uint64(len(calls))], number)
		c.all++
		if err != nil {
			c.errors++
			c.firstError = err.Error()
		} else if ended := time.Now(); began.After(from) && ended.Before(until) {
			c.times = append(c.times, ended.Sub(began))
		}
	}
}

// invoke makes a call; an answer whose status (field 1) is not SUCCESS (1) is an error.
func invoke(connection *grpc.ClientConn, one call, number uint64) error {
	limited, cancel := context.WithTimeout(context.Background(), callLimit)
	defer cancel()
	var answer []byte
	if err := connection.Invoke(session(limited, number), "/"+service+"/"+one.Method, one.Data, &answer); err != nil {
		return err
	}
	if len(answer) < 2 || answer[0] != 0x08 || answer[1] != 1 {
		return fmt.Errorf("%s was not answered with success", one.Name)
	}
	return nil
}

func summed(callers []caller, seconds, cpu float64) measured {
	report, parts := measured{Seconds: seconds, CPU: cpu}, [][]time.Duration{}
	for _, one := range callers {
		parts = append(parts, one.times)
		report.All += one.all
		report.Errors += one.errors
		if one.firstError != "" {
			report.FirstError = one.firstError
		}
	}
	times := merged(parts)
	report.Calls, report.Rate = len(times), float64(len(times))/seconds
	report.P50, report.P99 = milliseconds(times, 0.5), milliseconds(times, 0.99)
	return report
}
