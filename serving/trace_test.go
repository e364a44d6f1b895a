package serving

import (
	"context"
	"strings"
	"testing"
)

func TestReadTraces(t *testing.T) {
	for _, c := range []struct {
		name, text, format string
		want               []Request
	}{
		{"mooncake", `{"timestamp": 500, "input_length": 1000, "output_length": 5, "hash_ids": [7, 8]}
{"timestamp": 1750, "input_length": 1100, "output_length": 6, "hash_ids": [7, 9, 10]}`, "Mooncake",
			[]Request{{Prompt: 1000, Generate: 5, Shared: []Segment{{mix(7), 512}}}, {ID: 1, Arrive: 1.25, Prompt: 1100, Generate: 6, Shared: []Segment{{mix(7), 512}}}}},
		{"azure", "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,4808,10\n2023-11-16 18:17:05.4799600,3180,8\n", "Azure",
			[]Request{{Prompt: 4808, Generate: 10}, {ID: 1, Arrive: 1.5, Prompt: 3180, Generate: 8}}},
		{"burstgpt", "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n5,ChatGPT,472,18,490,Conversation log\n45,ChatGPT,1087,230,1317,Conversation log\n", "BurstGPT",
			[]Request{{Prompt: 472, Generate: 18}, {ID: 1, Arrive: 40, Prompt: 1087, Generate: 230}}},
		{"own, out of order", "arrival,prompt,generate,prefix,prefix_tokens,timeout\n3,10,2,a,8,\n1,20,3,a,8,60\n", "ridgeline",
			[]Request{{Prompt: 20, Generate: 3, Shared: []Segment{{nameID("a"), 8}}, Timeout: 60}, {ID: 1, Arrive: 2, Prompt: 10, Generate: 2, Shared: []Segment{{nameID("a"), 8}}}}},
	} {
		tr, err := ReadTrace(strings.NewReader(c.text), "t", TraceBlock)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if tr.Format != c.format || len(tr.Requests) != len(c.want) {
			t.Errorf("%s: %d requests of %s", c.name, len(tr.Requests), tr.Format)
			continue
		}
		for i, q := range tr.Requests {
			w := c.want[i]
			if q.ID != w.ID || q.Prompt != w.Prompt || q.Generate != w.Generate || q.Timeout != w.Timeout || len(q.Shared) != len(w.Shared) || len(q.Shared) > 0 && q.Shared[0] != w.Shared[0] {
				t.Errorf("%s: request %d is %+v, want %+v", c.name, i, q, w)
			}
			near(t, "arrival", q.Arrive+1, w.Arrive+1, 1e-6)
		}
	}
}

// A malformed trace is one line with its place.
func TestTraceErrors(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "t: empty"},
		{"a,b\n1,2\n", "t:1: no trace"},
		{"arrival,prompt,generate\n", "t: no requests"},
		{"arrival,prompt,generate\n1,2\n", "t:2: generate: missing"},
		{"arrival,prompt,generate\n1,2,3\n1,x,3\n", `t:3: prompt: "x" is not a number`},
		{"arrival,prompt,generate\n1,2.5,3\n", "t:2: prompt: 2.5 is not a number of tokens"},
		{"arrival,prompt,generate\n1,-2,3\n", "t:2: prompt: -2 is not a number of tokens"},
		{"arrival,prompt,generate\nNaN,2,3\n", `t:2: arrival: "NaN" is not a number`},
		{"arrival,prompt,generate,prefix,prefix_tokens\n1,2,3,a,9\n", "t:2: prefix_tokens: 9 tokens of a prompt of 2"},
		{"arrival,arrival,prompt,generate\n", `t:1: column "arrival" appears twice`},
		{"arrival,prompt,generate\n1,\"2,3\n", "t:2: this is not a line of CSV: a quote"},
		{"TIMESTAMP,ContextTokens,GeneratedTokens\nyesterday,1,2\n", `t:2: timestamp: "yesterday" is not a date`},
		{"{\"timestamp\":1,\"input_length\":10,\"output_length\":1}\n{", "t:2: not a JSON object"},
		{`{"timestamp":1,"input_length":"x","output_length":1}`, "t:1: input_length: a text stands where a number belongs"},
		{`{"timestamp":true,"input_length":10,"output_length":1}`, "t:1: timestamp: true or false stands where a number belongs"},
		{`{"timestamp":1,"input_length":10,"output_length":1,"hash_ids":{}}`, "t:1: hash_ids: an object stands where a list of numbers belongs"},
		{`{"timestamp":1,"input_length":10,"output_length":1,"hash_ids":[1.5]}`, "t:1: hash_ids: the number 1.5 stands where a whole number belongs"},
		{`{"timestamp":1,"output_length":1}`, "t:1: input_length is missing"},
		{`{"timestamp":1,"input_length":10,"output_length":1,"hash_ids":[1,2]}`, "t:1: 2 hash ids for 10 tokens"},
	} {
		_, err := ReadTrace(strings.NewReader(c.text), "t", TraceBlock)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q gives %v, want %q", c.text, err, c.want)
		}
	}
}

// Arrivals beside lengths are heeded, not dropped: the gap between two requests is what it was.
func TestArrivalsBesideLengths(t *testing.T) {
	tr, err := ReadTrace(strings.NewReader("num_prefill_tokens,arrived_at,num_decode_tokens\n74,2.5,91\n10,4,7\n"), "t", TraceBlock)
	if err != nil {
		t.Fatal(err)
	}
	if q := tr.Requests; tr.Format != "Vidur" || len(q) != 2 || q[0].Prompt != 74 || q[1].Generate != 7 || q[1].Arrive-q[0].Arrive != 1.5 {
		t.Errorf("%s: %+v", tr.Format, tr.Requests)
	}
	if _, err := ReadTrace(strings.NewReader("arrived_at,num_prefill_tokens,num_decode_tokens\nNaN,10,1\n"), "t", TraceBlock); err == nil || err.Error() != `t:2: arrived_at: "NaN" is not a number` {
		t.Errorf("no arrival: %v", err)
	}
}

// Whatever a trace holds, it is refused in one line or it runs to its end.
func FuzzTrace(f *testing.F) {
	for _, s := range []string{
		`{"timestamp": 500, "input_length": 1000, "output_length": 5, "hash_ids": [7, 8]}`,
		"TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,48,10\n",
		"Timestamp,Model,Request tokens,Response tokens\n5,ChatGPT,472,18\n",
		"arrival,prompt,generate,id,prefix,prefix_tokens,timeout\n3,10,2,1,a,8,1\n1,20,3,1,a,8,60\n0,0,0,2,,,\n",
		"num_prefill_tokens,num_decode_tokens\n74,91\n",
	} {
		f.Add(s, 512)
	}
	f.Fuzz(func(t *testing.T, s string, block int) {
		tr, err := ReadTrace(strings.NewReader(s), "t", block)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n") {
				t.Fatalf("an error of more than one line: %q", err)
			}
			return
		}
		if len(tr.Requests) > 200 {
			return
		}
		l := dense(500)
		r, err := Run(context.Background(), l, pricer(plain), &Replay{Requests: tr.Requests}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Requests) != len(tr.Requests) {
			t.Fatalf("%d of %d requests came out", len(r.Requests), len(tr.Requests))
		}
	})
}
