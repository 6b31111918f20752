package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// loadHTTP posts calls as JSON, a number of them at a time. As in anycable-go, the client keeps two idle connections to
// the server and closes others.
func loadHTTP(arguments []string) (any, error) {
	flags := flag.NewFlagSet("load-http", flag.ExitOnError)
	target := flags.String("target", "", "the URL that anycable-go gets as --rpc_host")
	path := flags.String("calls", "", "the file of calls")
	key := flags.String("key", "", "the key for calls over HTTP")
	inFlight := flags.Int("in-flight", 28, "calls at a time; anycable-go's --rpc_concurrency is 28")
	seconds := flags.Duration("for", 2*time.Second, "how long to measure")
	warmUp := flags.Duration("warm-up", 300*time.Millisecond, "how long to call before that")
	_ = flags.Parse(arguments)
	calls, err := readCalls(*path)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: &http.Transport{}}
	began := time.Now()
	post := func(one call, number uint64) error { return posted(client, *target, *key, one, number) }
	return drive(post, calls, *inFlight, began.Add(*warmUp), began.Add(*warmUp+*seconds)), nil
}

// posted makes a call; an answer that does not begin with the status SUCCESS (1) is an error.
func posted(client *http.Client, target, key string, one call, number uint64) error {
	limited, cancel := context.WithTimeout(context.Background(), callLimit)
	defer cancel()
	url := target + "/" + strings.ToLower(one.Method)
	request, err := http.NewRequestWithContext(limited, http.MethodPost, url, bytes.NewReader(one.JSON))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+key)
	request.Header.Set("X-Anycable-Meta-Sid", fmt.Sprintf("V1StGXR8_Z5jdHi6%05d", number%sessions))
	request.Header.Set("X-Anycable-Meta-Protov", "v1")
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(answer, []byte(`{"status":1`)) {
		return fmt.Errorf("%s was answered with %d %s", one.Name, response.StatusCode, answer)
	}
	return nil
}
