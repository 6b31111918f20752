package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	patience = 60 * time.Second     // for all messages of a run, however slowly they come
	senders  = 8                    // goroutines that send a burst
	stride   = 7919                 // a prime, so that all clients and rooms have their turn
	glance   = 2 * time.Millisecond // between two looks whether all have come
)

// chatting is all clients of a chat.
type chatting struct {
	members  []*member
	urls     []string
	cookie   string
	size     int
	dialling int
	quiet    time.Duration
	spoken   dialect
	next     int
	run      atomic.Pointer[run]
	gone     atomic.Int64
	mutex    sync.Mutex
	problem  string
}

// run is some messages that are sent, and what has come of them. Messages have numbers from `first` on. A message that
// somebody else sends has no sender and no time.
type run struct {
	first      int
	sent       []atomic.Int64
	senders    []*member
	received   []received
	began      time.Time
	cpu        float64
	last       atomic.Int64
	delivered  atomic.Int64
	duplicates atomic.Int64
	strays     atomic.Int64
}

// received is what one client has: a bit for each message, and how long each took.
type received struct {
	mutex sync.Mutex
	seen  []uint64
	times []time.Duration
}

// came is the report of a run. Strays are frames for another room, of an earlier run, or with another text.
type came struct {
	Sent       int     `json:"sent"`
	Expected   int     `json:"expected"`
	Delivered  int64   `json:"delivered"`
	Duplicates int64   `json:"duplicates"`
	Strays     int64   `json:"strays"`
	Gone       int64   `json:"gone"`
	Seconds    float64 `json:"seconds"`
	Rate       float64 `json:"rate"`
	P50        float64 `json:"p50_ms"`
	P99        float64 `json:"p99_ms"`
	CPU        float64 `json:"cpu_seconds"`
	FirstError string  `json:"first_error,omitempty"`
}

// chat connects clients, lets them join rooms, and then obeys orders, a line each, and answers with a line of JSON:
// `join`, `burst MESSAGES`, `paced MESSAGES A_SECOND`; or `expect MESSAGES` and then `arrived` for messages that
// somebody else sends to all rooms.
func chat(arguments []string) (any, error) {
	all, rooms := &chatting{}, ""
	flags := flag.NewFlagSet("chat", flag.ExitOnError)
	urls := flags.String("url", "", "where to dial, {room} is the room; clients take several, with commas between, in turns")
	speaks := flags.String("speaks", "json", "actioncable, socketio or json")
	flags.StringVar(&rooms, "identifier", `{"channel":"Chat","room":"{room}"}`, "the subscription of Action Cable")
	flags.StringVar(&all.cookie, "cookie", "", "the Cookie header")
	count := flags.Int("clients", 1000, "how many clients")
	flags.IntVar(&all.size, "room", 2, "how many clients share a room")
	flags.IntVar(&all.dialling, "dialling", 100, "how many join at a time")
	flags.DurationVar(&all.quiet, "quiet", 3*time.Second, "what has not come when nothing comes for so long is lost")
	_ = flags.Parse(arguments)
	spoken, known := dialects[*speaks]
	if !known {
		return nil, fmt.Errorf("nobody speaks %s here", *speaks)
	}
	all.urls, all.spoken = strings.Split(*urls, ","), spoken
	all.run.Store(new(run))
	for place := range *count {
		room := strconv.Itoa(place / all.size)
		all.members = append(all.members, &member{place: place, room: room, identifier: inRoom(rooms, room)})
	}
	defer all.leave()
	return map[string]bool{"left": true}, all.obey()
}

// orders are what a chat can be told: each takes up to two numbers, and returns the answer.
func (c *chatting) orders() map[string]func(int, int) any {
	return map[string]func(int, int) any{
		"join": func(int, int) any {
			before := cpuSeconds()
			joined := each(len(c.members), c.dialling, c.join, c.note)
			return crowded{Connect: joined, CPU: cpuSeconds() - before, FirstError: c.problem}
		},
		"burst": func(messages, _ int) any {
			c.expect(messages, false)
			c.burst()
			return c.arrived()
		},
		"paced": func(messages, aSecond int) any {
			c.expect(messages, false)
			c.paced(time.Second / time.Duration(aSecond))
			return c.arrived()
		},
		"expect": func(messages, _ int) any {
			c.expect(messages, true)
			return map[string]int{"first": c.run.Load().first}
		},
		"arrived": func(int, int) any { return c.arrived() },
	}
}

func (c *chatting) obey() error {
	orders, lines, answers := c.orders(), bufio.NewScanner(os.Stdin), json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var word string
		var first, second int
		_, _ = fmt.Sscan(lines.Text(), &word, &first, &second)
		order, known := orders[word]
		if !known {
			return fmt.Errorf("no such order: %s", lines.Text())
		}
		if err := answers.Encode(order(first, second)); err != nil {
			return err
		}
	}
	return lines.Err()
}

func (c *chatting) join(place int) error {
	client := c.members[place]
	if err := client.dial(c.urls[place%len(c.urls)], c.cookie, c.spoken); err != nil {
		return err
	}
	go client.listen(c)
	return nil
}

func (c *chatting) note(err error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.problem == "" {
		c.problem = err.Error()
	}
}

// expect begins a run.
func (c *chatting) expect(messages int, fromOutside bool) {
	begun := &run{first: c.next, sent: make([]atomic.Int64, messages), senders: make([]*member, messages)}
	for number := range messages {
		if !fromOutside {
			begun.senders[number] = c.members[number*stride%len(c.members)]
		}
	}
	begun.received = make([]received, len(c.members))
	for place := range begun.received {
		begun.received[place].seen = make([]uint64, messages/64+1)
	}
	c.next += messages
	begun.began, begun.cpu = time.Now(), cpuSeconds()
	begun.last.Store(begun.began.UnixNano())
	c.run.Store(begun)
}

func (c *chatting) send(number int) {
	current := c.run.Load()
	client := current.senders[number]
	frame := c.spoken.frame(client, wording(current.first+number))
	current.sent[number].Store(time.Now().UnixNano())
	if err := client.write(frame); err != nil {
		c.note(err)
	}
}

func (c *chatting) burst() {
	each(len(c.run.Load().sent), senders, func(number int) error { c.send(number); return nil }, c.note)
}

func (c *chatting) paced(pause time.Duration) {
	began := time.Now()
	for number := range c.run.Load().sent {
		time.Sleep(time.Until(began.Add(time.Duration(number) * pause)))
		c.send(number)
	}
}

// arrived waits until every message has come to everyone in its room, or nothing more comes.
func (c *chatting) arrived() came {
	current := c.run.Load()
	expected := current.expected(len(c.members), c.size)
	for begun := time.Now(); current.delivered.Load() < int64(expected) && time.Since(begun) < patience; {
		if time.Since(time.Unix(0, current.last.Load())) > c.quiet {
			break
		}
		time.Sleep(glance)
	}
	return c.report(current, expected)
}

func (c *chatting) report(current *run, expected int) came {
	var parts [][]time.Duration
	for place := range current.received {
		one := &current.received[place]
		one.mutex.Lock()
		parts = append(parts, one.times)
		one.mutex.Unlock()
	}
	times, seconds := merged(parts), time.Unix(0, current.last.Load()).Sub(current.began).Seconds()
	delivered := current.delivered.Load()
	return came{Sent: len(current.sent), Expected: expected, Delivered: delivered,
		Duplicates: current.duplicates.Load(), Strays: current.strays.Load(), Gone: c.gone.Load(),
		Seconds: seconds, Rate: float64(delivered) / max(seconds, 1e-9),
		P50: milliseconds(times, 0.5), P99: milliseconds(times, 0.99), CPU: cpuSeconds() - current.cpu, FirstError: c.problem}
}

func (c *chatting) leave() {
	for _, client := range c.members {
		client.leave()
	}
}

// expected returns how many deliveries the messages of a run make. The last room may be smaller than the others.
func (r *run) expected(clients, size int) int {
	total := 0
	for _, client := range r.senders {
		if client == nil {
			total += clients
			continue
		}
		begin := client.place / size * size
		total += min(size, clients-begin)
	}
	return total
}

// note counts what a client has received.
func (r *run) note(client *member, frame []byte, now time.Time) {
	number := numberOf(frame)
	if number == -1 {
		return
	}
	number -= r.first
	if number < 0 || number >= len(r.sent) || r.senders[number] != nil && r.senders[number].room != client.room {
		r.strays.Add(1)
	} else if r.received[client.place].add(number, r.sent[number].Load(), now) {
		r.last.Store(now.UnixNano())
		r.delivered.Add(1)
	} else {
		r.duplicates.Add(1)
	}
}

// add notes a message and returns whether it is new.
func (r *received) add(number int, sent int64, now time.Time) bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	word, bit := number/64, uint64(1)<<(number%64)
	if r.seen[word]&bit != 0 {
		return false
	}
	r.seen[word] |= bit
	if sent != 0 {
		r.times = append(r.times, now.Sub(time.Unix(0, sent)))
	}
	return true
}
