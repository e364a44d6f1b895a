package check

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"github.com/OWNER/ridgeline/internal/input"
	"github.com/OWNER/ridgeline/precision"
	"github.com/OWNER/ridgeline/serving"
)

// mostBytes is the size of the largest file of measurements that is read.
const mostBytes = 1 << 30

// Data holds the measurements of a folder.
type Data struct {
	Runs    []Run
	Table   string // path of serving.csv, "" where there is none
	Skipped []Skipped
}

// ReadDir reads every measured run in a folder and its subfolders, two levels deep.
func ReadDir(dir string) (*Data, error) {
	d := &Data{}
	if err := d.folder(dir, dir, 0); err != nil {
		return nil, err
	}
	if len(d.Runs) == 0 && d.Table == "" && len(d.Skipped) == 0 {
		return nil, fmt.Errorf("%s: no measured runs: want serving.csv, or files with a row a request", dir)
	}
	return d, nil
}

func (d *Data) folder(root, dir string, depth int) error {
	files, err := input.ReadDir(dir)
	if err != nil {
		return err
	}
	has := map[string]bool{}
	for _, f := range files {
		has[f.Name()] = true
	}
	if has["requests.jsonl"] && has["meta.json"] {
		return d.engineLog(root, dir)
	}
	var summary map[string]map[string]string
	if has["SUMMARY.csv"] {
		rows, err := table(filepath.Join(dir, "SUMMARY.csv"))
		if err != nil {
			return err
		}
		summary = map[string]map[string]string{}
		for _, r := range rows.rows {
			if n := r["file"]; n != "" {
				summary[n] = r
			}
		}
	}
	seen := map[string]bool{}
	for _, f := range files {
		name := f.Name()
		path := filepath.Join(dir, name)
		switch {
		case f.IsDir():
			if depth < 2 {
				if err := d.folder(root, path, depth+1); err != nil {
					return err
				}
			}
		case name == "serving.csv":
			if d.Table == "" {
				d.Table = path
			}
		case name == "SUMMARY.csv" || !strings.HasSuffix(name, ".csv"):
		default:
			head, err := firstLine(path)
			if err != nil {
				return err
			}
			rel, _ := filepath.Rel(root, path)
			switch {
			case strings.Contains(head, "arrival_us") && strings.Contains(head, "e2e_ms"):
				seen[name] = true
				if err := d.requests(rel, path, summary[name]); err != nil {
					return err
				}
			case strings.Contains(head, "launch_s") && strings.Contains(head, "generation_s"):
				if err := d.lmbench(rel, path); err != nil {
					return err
				}
			}
		}
	}
	var missing []string
	for n := range summary {
		if !seen[n] && strings.HasSuffix(n, ".csv") {
			missing = append(missing, n)
		}
	}
	sort.Strings(missing)
	for _, n := range missing {
		d.Skipped = skip(d.Skipped, n+": the summary names it, its requests are not there", 1)
	}
	return nil
}

func firstLine(path string) (string, error) {
	f, err := input.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b := make([]byte, 4096)
	n, err := io.ReadFull(f, b)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return "", err
	}
	line, _, _ := bytes.Cut(b[:n], []byte("\n"))
	return string(line), nil
}

// rowsOf reads a CSV file row by row, with the values by column.
type rowsOf struct {
	path string
	rows []map[string]string
	line []int
}

func table(path string) (*rowsOf, error) {
	f, err := input.OpenAtMost(path, mostBytes)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readTable(f, path)
}

func readTable(in io.Reader, path string) (*rowsOf, error) {
	r := csv.NewReader(bufio.NewReaderSize(in, 1<<16))
	r.FieldsPerRecord = -1
	head, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("%s: no header line", path)
	}
	for i := range head {
		head[i] = strings.TrimSpace(strings.TrimPrefix(head[i], "\ufeff"))
	}
	out := &rowsOf{path: path}
	for {
		rec, err := r.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, input.CSVError(path, err)
		}
		line, _ := r.FieldPos(0)
		m := make(map[string]string, len(head))
		for i, h := range head {
			if i < len(rec) {
				m[h] = strings.TrimSpace(rec[i])
			}
		}
		out.rows = append(out.rows, m)
		out.line = append(out.line, line)
	}
}

func (t *rowsOf) number(i int, column string, least float64) (float64, error) {
	s, ok := t.rows[i][column]
	if !ok || s == "" {
		return 0, fmt.Errorf("%s:%d: %s is missing", t.path, t.line[i], column)
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(v) || !(v >= least && v <= 1e12) {
		return 0, fmt.Errorf("%s:%d: %s: %q is not a number of %g or more", t.path, t.line[i], column, s, least)
	}
	return v, nil
}

// requests reads a run of inference-perf with vLLM (github.com/inference-sim/training): index,
// arrival_us, prompt, generate, prompt_id, status, ttft_ms, e2e_ms. Prompts with one prompt_id
// are equal, so that all but the first find their blocks in the prefix cache.
func (d *Data) requests(name, path string, summary map[string]string) error {
	t, err := table(path)
	if err != nil {
		return err
	}
	r := Run{File: name, Hardware: "h100-sxm", Engine: "vllm-0.15.1", TP: 1, Replicas: 1, Weights: precision.BF16}
	r.Settings.MaxModelLen, r.Settings.MaxNumSeqs, r.Settings.MaxNumBatchedTokens = number(4096), number(128), number(2048)
	timeout := 300.0
	if summary != nil {
		r.Model = summary["model"]
		if summary["gpu"] != "" {
			r.Hardware = summary["gpu"]
		}
		if v := summary["engine"]; v != "" {
			r.Engine = v
		}
		for _, x := range []struct {
			column string
			to     **int
		}{{"max_model_len", &r.Settings.MaxModelLen}, {"max_num_seqs", &r.Settings.MaxNumSeqs}, {"max_num_batched_tokens", &r.Settings.MaxNumBatchedTokens}, {"kv_blocks", &r.Settings.KVBlocks}, {"block_size", &r.Settings.BlockSize}} {
			if n, err := strconv.Atoi(summary[x.column]); err == nil && n > 0 {
				*x.to = &n
			}
		}
		if n, err := strconv.Atoi(summary["tp"]); err == nil && n > 0 {
			r.TP = n
		}
		if p := summary["precision"]; p != "" {
			if f, err := precision.Parse(p); err == nil {
				r.Weights = f
			}
		}
		if v, err := strconv.ParseFloat(summary["client_timeout_s"], 64); err == nil && v > 0 {
			timeout = v
		}
	} else {
		r.Model, r.TP = fromName(name)
	}
	var ttft, tpot, e2e []float64
	for i := range t.rows {
		us, err := t.number(i, "arrival_us", 0)
		if err != nil {
			return err
		}
		prompt, err := t.number(i, "prompt", 0)
		if err != nil {
			return err
		}
		generate, err := t.number(i, "generate", 0)
		if err != nil {
			return err
		}
		q := serving.Request{ID: i, Arrive: us / 1e6, Prompt: int(prompt), Generate: int(generate), Timeout: timeout}
		if id := t.rows[i]["prompt_id"]; id != "" {
			n, err := t.number(i, "prompt_id", 0)
			if err != nil {
				return err
			}
			q.Shared = []serving.Segment{{ID: uint64(n) + 1, Tokens: int(prompt)}}
		}
		r.Requests = append(r.Requests, q)
		if t.rows[i]["status"] != "ok" {
			continue
		}
		first, err := t.number(i, "ttft_ms", 0)
		if err != nil {
			return err
		}
		end, err := t.number(i, "e2e_ms", 0)
		if err != nil {
			return err
		}
		r.Measured.Completed++
		ttft, e2e = append(ttft, first/1e3), append(e2e, end/1e3)
		if generate > 1 {
			tpot = append(tpot, (end-first)/1e3/(generate-1))
		}
	}
	if len(ttft) == 0 {
		d.Skipped = skip(d.Skipped, name+": no request was answered", len(t.rows))
		return nil
	}
	r.Measured.fill(ttft, tpot, e2e)
	sort.SliceStable(r.Requests, func(i, j int) bool { return r.Requests[i].Arrive < r.Requests[j].Arrive })
	d.Runs = append(d.Runs, r)
	return nil
}

func number(n int) *int { return &n }

var nameTP = regexp.MustCompile(`-tp(\d+)-`)

// fromName finds a model and its number of devices in the name of a file, such as
// 141024-mixtral-8x7b-v0-1-tp2-roleplay.csv.
func fromName(name string) (model string, tp int) {
	base := strings.TrimSuffix(filepath.Base(name), ".csv")
	tp = 1
	if m := nameTP.FindStringSubmatchIndex(base); m != nil {
		tp, _ = strconv.Atoi(base[m[2]:m[3]])
		base = base[:m[0]]
	}
	if i := strings.IndexByte(base, '-'); i > 0 && strings.Trim(base[:i], "0123456789") == "" {
		base = base[i+1:]
	}
	return base, max(tp, 1)
}

var nameGPU = regexp.MustCompile(`-(a100|h100|h200)x(\d+)-`)

// lmbench reads runs of LMBench with vLLM (github.com/llm-d/llm-d-benchmark): workload, rate,
// launch_s, prompt_tokens, generation_tokens, ttft_s, generation_s. Every workload and rate in a
// file is a run. The name of the file holds the GPUs, the model and the number of replicas.
func (d *Data) lmbench(name, path string) error {
	t, err := table(path)
	if err != nil {
		return err
	}
	base := lower(filepath.Base(name))
	gpu := nameGPU.FindStringSubmatchIndex(base)
	if gpu == nil {
		d.Skipped = skip(d.Skipped, name+": the name does not say which GPUs", len(t.rows))
		return nil
	}
	r := Run{File: name, Replicas: 1, Weights: precision.BF16, Engine: "vllm-0.8.5"}
	r.Hardware = map[string]string{"a100": "a100-80gb", "h100": "h100-sxm", "h200": "h200"}[base[gpu[2]:gpu[3]]]
	gpus, _ := strconv.Atoi(base[gpu[4]:gpu[5]])
	r.Model = base[gpu[1]:]
	if m := regexp.MustCompile(`(\d)replicas`).FindStringSubmatch(base); m != nil {
		r.Replicas, _ = strconv.Atoi(m[1])
	}
	r.TP = max(gpus/max(r.Replicas, 1), 1)
	u := 0.95
	r.Settings.MemoryUtilization, r.Settings.MaxModelLen = &u, number(20000)
	type key struct{ workload, rate string }
	var order []key
	parts := map[key]*Run{}
	times := map[key]*[3][]float64{}
	for i, row := range t.rows {
		k := key{row["workload"], row["rate"]}
		p := parts[k]
		if p == nil {
			x := r
			x.Name = fmt.Sprintf("%s at %s/s", k.workload, k.rate)
			p = &x
			parts[k], times[k] = p, &[3][]float64{}
			order = append(order, k)
		}
		var v [5]float64
		for j, c := range []string{"launch_s", "prompt_tokens", "generation_tokens", "ttft_s", "generation_s"} {
			if v[j], err = t.number(i, c, 0); err != nil {
				return err
			}
		}
		p.Requests = append(p.Requests, serving.Request{ID: len(p.Requests), Arrive: v[0], Prompt: int(v[1]), Generate: int(v[2])})
		p.Measured.Completed++
		w := times[k]
		w[0], w[2] = append(w[0], v[3]), append(w[2], v[3]+v[4])
		if v[2] > 1 {
			w[1] = append(w[1], v[4]/(v[2]-1))
		}
	}
	for _, k := range order {
		p := parts[k]
		sort.SliceStable(p.Requests, func(i, j int) bool { return p.Requests[i].Arrive < p.Requests[j].Arrive })
		start := p.Requests[0].Arrive
		for i := range p.Requests {
			p.Requests[i].ID = i
			p.Requests[i].Arrive -= start
		}
		p.Measured.fill(times[k][0], times[k][1], times[k][2])
		d.Runs = append(d.Runs, *p)
	}
	return nil
}

// engineLog reads a run of LLMServingSim's benchmark of vLLM
// (github.com/casys-kaist/LLMServingSim): requests.jsonl with the engine's own times, meta.json
// with its settings, and workload.jsonl, if it exists, with the hashes of the blocks.
func (d *Data) engineLog(root, dir string) error {
	rel, _ := filepath.Rel(root, dir)
	if rel == "." {
		rel = filepath.Base(dir)
	}
	b, err := input.Read(filepath.Join(dir, "meta.json"), 1<<20)
	if err != nil {
		return err
	}
	var meta struct {
		Model   string `json:"model"`
		Version string `json:"vllm_version"`
		Args    struct {
			TP     int `json:"tensor_parallel_size"`
			Seqs   int `json:"max_num_seqs"`
			Budget int `json:"max_num_batched_tokens"`
		} `json:"engine_kwargs"`
		Blocks int `json:"kv_blocks"`
	}
	if err := json.Unmarshal(b, &meta); err != nil {
		return fmt.Errorf("%s: no JSON object of a run's settings", filepath.Join(dir, "meta.json"))
	}
	gpu, _, _ := strings.Cut(filepath.Base(dir), "-")
	r := Run{File: rel, Model: meta.Model, Hardware: map[string]string{"rtx4090": "rtx-4090", "h100": "h100-sxm", "a100": "a100-80gb", "rtxpro6000": "rtx-pro-6000"}[lower(gpu)], Engine: "vllm-" + meta.Version, TP: max(meta.Args.TP, 1), Replicas: 1, Weights: precision.BF16}
	if r.Hardware == "" {
		r.Hardware = lower(gpu)
	}
	if meta.Args.Seqs > 0 {
		r.Settings.MaxNumSeqs = number(meta.Args.Seqs)
	}
	if meta.Args.Budget > 0 {
		r.Settings.MaxNumBatchedTokens = number(meta.Args.Budget)
	}
	if meta.Blocks > 0 {
		r.Settings.KVBlocks = number(meta.Blocks)
	} else if r.Hardware == "rtx-4090" {
		r.Settings.KVBlocks = number(2588) // the number that the run's engine logged
	}
	type line struct {
		ID     string  `json:"request_id"`
		Input  int     `json:"input_toks"`
		Output int     `json:"output_toks"`
		Queued float64 `json:"queued_ts"`
		First  float64 `json:"first_token_ts"`
		Last   float64 `json:"last_token_ts"`
	}
	var lines []line
	path := filepath.Join(dir, "requests.jsonl")
	f, err := input.OpenAtMost(path, mostBytes)
	if err != nil {
		return err
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 16<<20)
	for n := 1; sc.Scan(); n++ {
		if len(bytes.TrimSpace(sc.Bytes())) == 0 {
			continue
		}
		var l line
		if err := json.Unmarshal(sc.Bytes(), &l); err != nil || l.Input < 0 || l.Output < 0 {
			return fmt.Errorf("%s:%d: not a JSON object of a request", path, n)
		}
		lines = append(lines, l)
	}
	if err := sc.Err(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if len(lines) == 0 {
		return fmt.Errorf("%s: no requests", path)
	}
	var shared [][]serving.Segment
	if w, err := input.OpenAtMost(filepath.Join(dir, "workload.jsonl"), mostBytes); err == nil {
		defer w.Close()
		t, err := serving.ReadTrace(w, filepath.Join(dir, "workload.jsonl"), 16)
		if err != nil {
			return err
		}
		if len(t.Requests) == len(lines) {
			for i, q := range t.Requests {
				if q.Prompt != lines[i].Input {
					shared = nil
					break
				}
				shared = append(shared, q.Shared)
			}
		}
	}
	var ttft, tpot, e2e []float64
	start := math.Inf(1)
	for _, l := range lines {
		start = min(start, l.Queued)
	}
	for i, l := range lines {
		q := serving.Request{ID: i, Arrive: l.Queued - start, Prompt: l.Input, Generate: l.Output}
		if i < len(shared) {
			q.Shared = shared[i]
		}
		r.Requests = append(r.Requests, q)
		r.Measured.Completed++
		ttft, e2e = append(ttft, l.First-l.Queued), append(e2e, l.Last-l.Queued)
		if l.Output > 1 {
			tpot = append(tpot, (l.Last-l.First)/float64(l.Output-1))
		}
	}
	r.Measured.fill(ttft, tpot, e2e)
	sort.SliceStable(r.Requests, func(i, j int) bool { return r.Requests[i].Arrive < r.Requests[j].Arrive })
	d.Runs = append(d.Runs, r)
	return nil
}
