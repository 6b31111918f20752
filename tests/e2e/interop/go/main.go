// A client on grpc-go that makes the calls it reads as lines of JSON; see callers.py.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

type ask struct {
	ID       int         `json:"id"`
	Path     string      `json:"path"`
	Data     []byte      `json:"data"`
	Metadata [][2]string `json:"metadata"`
	Timeout  float64     `json:"timeout"`
	Cancel   float64     `json:"cancel"`
	Gzip     bool        `json:"gzip"`
	Times    int         `json:"times"`
	Stream   bool        `json:"stream"`
	Load     bool        `json:"load"`
	Stop     int         `json:"stop"`
}

type answer struct {
	ID     int         `json:"id"`
	Code   int         `json:"code"`
	Text   string      `json:"text"`
	Data   []byte      `json:"data"`
	More   bool        `json:"more"`
	Counts map[int]int `json:"counts,omitempty"`
}

// bytesOnly sends and receives messages as they are.
type bytesOnly struct{}

func (bytesOnly) Marshal(message any) ([]byte, error)      { return *message.(*[]byte), nil }
func (bytesOnly) Unmarshal(data []byte, message any) error { *message.(*[]byte) = data; return nil }
func (bytesOnly) Name() string                             { return "proto" }

var (
	output sync.Mutex
	loads  sync.Map // id -> *atomic.Bool: true stops the load
)

func main() {
	channel, err := grpc.NewClient(os.Args[1], grpc.WithTransportCredentials(security()))
	check(err)
	asks := json.NewDecoder(bufio.NewReader(os.Stdin))
	for {
		var asked ask
		if err := asks.Decode(&asked); err == io.EOF {
			return
		} else {
			check(err)
		}
		serve(channel, asked)
	}
}

func security() credentials.TransportCredentials {
	if len(os.Args) < 3 {
		return insecure.NewCredentials()
	}
	trusted, err := credentials.NewClientTLSFromFile(os.Args[2], "")
	check(err)
	return trusted
}

func serve(channel *grpc.ClientConn, asked ask) {
	switch {
	case asked.Stop != 0:
		stop, _ := loads.Load(asked.Stop)
		stop.(*atomic.Bool).Store(true)
	case asked.Load:
		stop := &atomic.Bool{}
		loads.Store(asked.ID, stop)
		go load(channel, asked, stop)
	case asked.Stream:
		go stream(channel, asked)
	default:
		for range asked.Times {
			go func() { say(call(channel, asked)) }()
		}
	}
}

func call(channel *grpc.ClientConn, asked ask) answer {
	ctx, cancel := within(asked)
	defer cancel()
	var reply []byte
	err := channel.Invoke(ctx, asked.Path, &asked.Data, &reply, options(asked)...)
	return ended(asked, reply, err)
}

// load calls without a pause on the given number of goroutines, until it is stopped.
func load(channel *grpc.ClientConn, asked ask, stop *atomic.Bool) {
	var all sync.WaitGroup
	var counting sync.Mutex
	counts := map[int]int{}
	for range asked.Times {
		all.Go(func() {
			for !stop.Load() {
				code := call(channel, asked).Code
				counting.Lock()
				counts[code]++
				counting.Unlock()
			}
		})
	}
	all.Wait()
	say(answer{ID: asked.ID, Counts: counts})
}

func stream(channel *grpc.ClientConn, asked ask) {
	ctx, cancel := within(asked)
	defer cancel()
	stream, err := channel.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, asked.Path, options(asked)...)
	if err == nil {
		_ = stream.SendMsg(&asked.Data)
		_ = stream.CloseSend()
	}
	for err == nil {
		var message []byte
		if err = stream.RecvMsg(&message); err == nil {
			say(answer{ID: asked.ID, Data: message, More: true})
		}
	}
	if err == io.EOF {
		err = nil
	}
	say(ended(asked, nil, err))
}

func within(asked ask) (context.Context, context.CancelFunc) {
	pairs := []string{}
	for _, pair := range asked.Metadata {
		pairs = append(pairs, pair[0], pair[1])
	}
	ctx := metadata.AppendToOutgoingContext(context.Background(), pairs...)
	ctx, cancel := context.WithTimeout(ctx, seconds(asked.Timeout))
	if asked.Cancel > 0 {
		time.AfterFunc(seconds(asked.Cancel), cancel)
	}
	return ctx, cancel
}

func options(asked ask) []grpc.CallOption {
	chosen := []grpc.CallOption{grpc.ForceCodec(bytesOnly{})}
	if asked.Gzip {
		chosen = append(chosen, grpc.UseCompressor("gzip"))
	}
	return chosen
}

func ended(asked ask, data []byte, err error) answer {
	said := status.Convert(err)
	return answer{ID: asked.ID, Code: int(said.Code()), Text: said.Message(), Data: data}
}

func say(one answer) {
	output.Lock()
	defer output.Unlock()
	check(json.NewEncoder(os.Stdout).Encode(one))
}

func seconds(number float64) time.Duration {
	return time.Duration(number * float64(time.Second))
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
