package serving

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/OWNER/ridgeline/internal/ceil"
	"github.com/OWNER/ridgeline/internal/input"
)

// Trace holds requests that were read from a file, in the order of their arrival; the first
// arrives at time 0.
type Trace struct {
	Format   string
	Requests []Request
	Notes    []string // what was corrected
}

// The largest numbers that a trace may have: larger ones are mistakes.
const (
	maxTokens   = 100_000_000
	maxRequests = 10_000_000
	maxLine     = 64 << 20
	maxSeconds  = 1e9
)

// TraceBlock is how many tokens a block of hash_ids stands for where nothing else is said
// (Mooncake).
const TraceBlock = 512

// ReadTrace reads a trace; name is what errors call it. The first line decides which format it
// has:
//
//	Mooncake JSONL   timestamp (ms), input_length, output_length, hash_ids of blocks of so
//	                 many tokens as block says: equal IDs mean equal prompts up to the
//	                 block's end; output_hash_ids may continue them over the answer
//	Azure CSV        TIMESTAMP (date and time), ContextTokens, GeneratedTokens
//	BurstGPT CSV     Timestamp (s), Request tokens, Response tokens
//	our own CSV      arrival (s), prompt, generate; also id, prefix (a name) and
//	                 prefix_tokens (with how many tokens the requests of one prefix begin
//	                 alike), timeout (s)
//	Vidur CSV        arrived_at (s), num_prefill_tokens, num_decode_tokens
//	lengths CSV      the last two alone, without arrivals: all arrive at time 0
func ReadTrace(r io.Reader, name string, block int) (*Trace, error) {
	if block < 1 {
		return nil, fmt.Errorf("block size %d: want 1 or more tokens", block)
	}
	in := bufio.NewReaderSize(r, 1<<16)
	head, err := in.Peek(1)
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: empty: a trace has a request a line", name)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	for len(head) > 0 && (head[0] == ' ' || head[0] == '\n' || head[0] == '\r' || head[0] == '\t') {
		break // the readers pass over blank lines, but count them
	}
	t := &Trace{}
	if head[0] == '{' {
		t.Format = "Mooncake"
		err = t.mooncake(in, name, block)
	} else {
		err = t.table(in, name)
	}
	if err != nil {
		return nil, err
	}
	if len(t.Requests) == 0 {
		return nil, fmt.Errorf("%s: no requests: a trace has one a line", name)
	}
	t.settle()
	return t, nil
}

// settle sorts requests by arrival, starts the clock at the first one and numbers them.
func (t *Trace) settle() {
	late := 0
	for i := 1; i < len(t.Requests); i++ {
		if t.Requests[i].Arrive < t.Requests[i-1].Arrive {
			late++
		}
	}
	if late > 0 {
		sort.SliceStable(t.Requests, func(i, j int) bool { return t.Requests[i].Arrive < t.Requests[j].Arrive })
		t.Notes = append(t.Notes, fmt.Sprintf("%d of %d requests came before the one above them: sorted by arrival", late, len(t.Requests)))
	}
	start := t.Requests[0].Arrive
	seen := map[uint64]int{}
	for i := range t.Requests {
		q := &t.Requests[i]
		q.ID = i
		q.Arrive -= start
		for _, s := range q.Shared {
			seen[s.ID]++
		}
	}
	// Content that occurs once is shared with no other request.
	for i := range t.Requests {
		q := &t.Requests[i]
		n := len(q.Shared)
		for n > 0 && seen[q.Shared[n-1].ID] < 2 {
			n--
		}
		q.Shared = q.Shared[:n:n]
		if n == 0 {
			q.Shared = nil
		}
	}
}

type mooncakeLine struct {
	Timestamp *float64 `json:"timestamp"`
	Input     *float64 `json:"input_length"`
	Output    *float64 `json:"output_length"`
	Hash      []int64  `json:"hash_ids"`
	Answer    []int64  `json:"output_hash_ids"`
}

// jsonKind returns what people call a kind of JSON value that encoding/json names. For a number,
// the number is included.
func jsonKind(value string) string {
	switch kind, number, _ := strings.Cut(value, " "); kind {
	case "bool":
		return "true or false"
	case "string":
		return "a text"
	case "array":
		return "a list"
	case "number":
		return strings.TrimSpace("the number " + number)
	}
	return "an object"
}

func (t *Trace) mooncake(in *bufio.Reader, name string, block int) error {
	sc := bufio.NewScanner(in)
	sc.Buffer(make([]byte, 1<<16), maxLine)
	line := 0
	for sc.Scan() {
		line++
		b := bytes.TrimSpace(sc.Bytes())
		if len(b) == 0 {
			continue
		}
		at := func(format string, args ...any) error {
			return fmt.Errorf("%s:%d: %s", name, line, fmt.Sprintf(format, args...))
		}
		var m mooncakeLine
		if err := json.Unmarshal(b, &m); err != nil {
			var bad *json.UnmarshalTypeError
			if errors.As(err, &bad) && bad.Field != "" {
				wanted := "a number"
				switch bad.Type.Kind() {
				case reflect.Slice:
					wanted = "a list of numbers"
				case reflect.Int64:
					wanted = "a whole number"
				}
				return at("%s: %s stands where %s belongs", bad.Field, jsonKind(bad.Value), wanted)
			}
			return at("not a JSON object: want {\"timestamp\": ms, \"input_length\": …, \"output_length\": …, \"hash_ids\": […]}")
		}
		for _, f := range []struct {
			name string
			v    *float64
		}{{"timestamp", m.Timestamp}, {"input_length", m.Input}, {"output_length", m.Output}} {
			if f.v == nil {
				return at("%s is missing", f.name)
			}
		}
		q := Request{}
		var err error
		if q.Arrive, err = arrival(*m.Timestamp / 1e3); err != nil {
			return at("timestamp: %v", err)
		}
		if q.Prompt, err = tokens(*m.Input); err != nil {
			return at("input_length: %v", err)
		}
		if q.Generate, err = tokens(*m.Output); err != nil {
			return at("output_length: %v", err)
		}
		ids, covers := m.Hash, q.Prompt
		if len(m.Answer) > 0 {
			ids, covers = append(ids, m.Answer...), q.Prompt+q.Generate
		}
		if most := ceil.Div(covers, block); len(ids) > most {
			return at("%d hash ids for %d tokens: blocks of %d tokens allow %d: give the size of block that the trace was hashed with", len(ids), covers, block, most)
		}
		q.Shared = make([]Segment, len(ids))
		for i, id := range ids {
			q.Shared[i] = Segment{ID: mix(uint64(id)), Tokens: min(block, covers-i*block)}
		}
		if err := t.add(q); err != nil {
			return at("%v", err)
		}
	}
	if err := sc.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			return fmt.Errorf("%s:%d: a line of more than %d MB", name, line+1, maxLine>>20)
		}
		return fmt.Errorf("%s:%d: %w", name, line+1, err)
	}
	return nil
}

func (t *Trace) add(q Request) error {
	if len(t.Requests) >= maxRequests {
		return fmt.Errorf("more than %d requests: split the trace", maxRequests)
	}
	t.Requests = append(t.Requests, q)
	return nil
}

func arrival(v float64) (float64, error) {
	if !(v >= -maxSeconds && v <= maxSeconds*10) {
		return 0, fmt.Errorf("%g s is not a time", v)
	}
	return v, nil
}

func tokens(v float64) (int, error) {
	if v != math.Trunc(v) || !(v >= 0 && v <= maxTokens) {
		return 0, fmt.Errorf("%g is not a number of tokens (0 to %d)", v, maxTokens)
	}
	return int(v), nil
}

// csvFormat lists, for one format, the names that its columns may have, in lower case.
type csvFormat struct {
	name                           string
	arrive, prompt, generate       string
	dates                          bool
	id, prefix, prefixLen, timeout string
}

var csvFormats = []csvFormat{
	{name: "Azure", arrive: "timestamp", prompt: "contexttokens", generate: "generatedtokens", dates: true},
	{name: "BurstGPT", arrive: "timestamp", prompt: "request tokens", generate: "response tokens"},
	{name: "ridgeline", arrive: "arrival", prompt: "prompt", generate: "generate", id: "id", prefix: "prefix", prefixLen: "prefix_tokens", timeout: "timeout"},
	{name: "Vidur", arrive: "arrived_at", prompt: "num_prefill_tokens", generate: "num_decode_tokens"},
	{name: "lengths", prompt: "num_prefill_tokens", generate: "num_decode_tokens"},
}

func (t *Trace) table(in io.Reader, name string) error {
	r := csv.NewReader(in)
	r.ReuseRecord = true
	r.FieldsPerRecord = -1
	head, err := r.Read()
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: empty: a trace has a request a line", name)
	}
	if err != nil {
		return input.CSVError(name, err)
	}
	col := map[string]int{}
	for i, h := range head {
		h = strings.ToLower(strings.TrimSpace(strings.TrimPrefix(h, "\ufeff")))
		if _, twice := col[h]; twice {
			return fmt.Errorf("%s:1: column %q appears twice", name, h)
		}
		col[h] = i
	}
	var f *csvFormat
	for i := range csvFormats {
		x := &csvFormats[i]
		_, a := col[x.arrive]
		_, p := col[x.prompt]
		_, g := col[x.generate]
		if (a || x.arrive == "") && p && g {
			f = x
			break
		}
	}
	if f == nil {
		return fmt.Errorf("%s:1: no trace: want JSON lines with timestamp, input_length and output_length, or a CSV header with arrival, prompt and generate (or Azure's, or BurstGPT's)", name)
	}
	t.Format = f.name
	ids, twice := map[string]bool{}, 0
	for {
		rec, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return input.CSVError(name, err)
		}
		line, _ := r.FieldPos(0)
		at := func(column, format string, args ...any) error {
			return fmt.Errorf("%s:%d: %s: %s", name, line, column, fmt.Sprintf(format, args...))
		}
		field := func(column string) (string, bool) {
			i, ok := col[column]
			if !ok || column == "" || i >= len(rec) {
				return "", false
			}
			return strings.TrimSpace(rec[i]), true
		}
		number := func(column string) (float64, error) {
			s, ok := field(column)
			if !ok || s == "" {
				return 0, at(column, "missing")
			}
			v, err := strconv.ParseFloat(s, 64)
			if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
				return 0, at(column, "%q is not a number", s)
			}
			return v, nil
		}
		count := func(column string) (int, error) {
			v, err := number(column)
			if err != nil {
				return 0, err
			}
			n, err := tokens(v)
			if err != nil {
				return 0, at(column, "%v", err)
			}
			return n, nil
		}
		q := Request{}
		switch {
		case f.arrive == "":
		case f.dates:
			s, _ := field(f.arrive)
			if q.Arrive, err = date(s); err != nil {
				return at(f.arrive, "%v", err)
			}
		default:
			v, err := number(f.arrive)
			if err != nil {
				return err
			}
			if q.Arrive, err = arrival(v); err != nil {
				return at(f.arrive, "%v", err)
			}
		}
		if q.Prompt, err = count(f.prompt); err != nil {
			return err
		}
		if q.Generate, err = count(f.generate); err != nil {
			return err
		}
		if s, ok := field(f.id); ok {
			if ids[s] {
				twice++
			}
			ids[s] = true
		}
		if s, ok := field(f.prefix); ok && s != "" {
			n := q.Prompt
			if x, has := field(f.prefixLen); has && x != "" {
				if n, err = count(f.prefixLen); err != nil {
					return err
				}
				if n > q.Prompt {
					return at(f.prefixLen, "%d tokens of a prompt of %d", n, q.Prompt)
				}
			}
			q.Shared = []Segment{{ID: nameID(s), Tokens: n}}
		}
		if s, ok := field(f.timeout); ok && s != "" {
			if q.Timeout, err = number(f.timeout); err != nil {
				return err
			}
			if !(q.Timeout >= 0 && q.Timeout <= maxSeconds) {
				return at(f.timeout, "%g is no time in seconds", q.Timeout)
			}
		}
		if err := t.add(q); err != nil {
			return at(f.prompt, "%v", err)
		}
	}
	if twice > 0 {
		t.Notes = append(t.Notes, fmt.Sprintf("%d ids stand there more than once: every row is a request of its own", twice))
	}
	if f.arrive == "" {
		t.Notes = append(t.Notes, "the file has no arrivals: all requests come at once")
	}
	return nil
}

// date reads Azure's time stamps and returns seconds since the epoch.
func date(s string) (float64, error) {
	for _, layout := range []string{"2006-01-02 15:04:05.9999999", "2006-01-02 15:04:05.999999999-07:00", time.RFC3339Nano} {
		if d, err := time.Parse(layout, s); err == nil {
			return float64(d.Unix()) + float64(d.Nanosecond())/1e9, nil
		}
	}
	return 0, fmt.Errorf("%q is not a date and time like 2023-11-16 18:17:03.9799600", s)
}

// nameID turns the name of a prefix into an ID by the hash FNV-1a.
func nameID(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return mix(h)
}
