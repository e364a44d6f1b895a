package check

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/OWNER/ridgeline/precision"
	"github.com/OWNER/ridgeline/serving"
)

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A run that the simulator made itself, written in each format, is replayed without error;
// one whose times are changed by a tenth is off by a tenth.
func TestReplayOfItself(t *testing.T) {
	d, _, err := deployment("meta-llama/Llama-2-7b-hf", "h100-sxm", "vllm-0.15.1", 1, precision.BF16, serving.Settings{MaxNumSeqs: number(128), MaxNumBatchedTokens: number(2048), MaxModelLen: number(4096), KVBlocks: number(7462), BlockSize: number(16)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	load := serving.Load{Prompt: serving.Lengths{Mean: 500, Shape: serving.Normal, Spread: 0.2}, Generate: serving.Lengths{Mean: 60}, Requests: 200, Stages: []serving.Stage{{Rate: 10}}}
	r, err := serving.Run(t.Context(), d.Limits, d.Price, load.Source(), serving.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var csv, slow strings.Builder
	head := "index,arrival_us,prompt,generate,prompt_id,generate_client,status,ttft_ms,e2e_ms\n"
	csv.WriteString(head)
	slow.WriteString(head)
	start := r.Requests[0].Arrive
	for i := range r.Requests {
		q := &r.Requests[i]
		for _, w := range []struct {
			to *strings.Builder
			by float64
		}{{&csv, 1}, {&slow, 1.1}} {
			fmt.Fprintf(w.to, "%d,%.3f,%d,%d,%d,0,ok,%.6f,%.6f\n", i, 1e6*(q.Arrive-start), q.Prompt, q.Generate, i, 1e3*w.by*q.TTFT(), 1e3*w.by*q.E2E())
		}
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a", "one.csv"), csv.String())
	write(t, filepath.Join(dir, "a", "two.csv"), slow.String())
	write(t, filepath.Join(dir, "a", "SUMMARY.csv"), "file,model,gpu,tp,precision,max_model_len,max_num_seqs,max_num_batched_tokens,kv_blocks,block_size,client_timeout_s\n"+
		"one.csv,meta-llama/Llama-2-7b-hf,h100-sxm,1,bf16,4096,128,2048,7462,16,300\n"+
		"two.csv,meta-llama/Llama-2-7b-hf,h100-sxm,1,bf16,4096,128,2048,7462,16,300\n"+
		"three.csv,nobody/knows,h100-sxm,1,bf16,4096,128,2048,7462,16,300\n")
	data, err := ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	rep, err := Make(t.Context(), data, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(rep.Runs) != 2 || len(rep.Skipped) != 1 {
		t.Fatalf("%d runs, skipped %+v", len(rep.Runs), rep.Skipped)
	}
	for i, want := range []float64{0, 1 - 1/1.1} {
		for name, p := range map[string]Pair{"ttft": rep.Runs[i].TTFT, "tpot": rep.Runs[i].TPOT, "e2e": rep.Runs[i].E2E} {
			if got := p.APE(); got < want-2e-3 || got > want+2e-3 {
				t.Errorf("%s: %s is off by %.4f, want %.4f", rep.Runs[i].File, name, got, want)
			}
		}
	}
}

const tableHead = "model,system,engine,engine_version,precision,tp,prompt,generate,concurrency,ttft_ms,tpot_ms\n"

// Rows that cannot be simulated are counted with the reason; the rest is summed up.
func TestTableOfRuns(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "serving.csv"), tableHead+
		"meta-llama/Llama-3.1-8B-Instruct,h200_sxm,vllm,0.12.0,fp8,1,1000,100,16,50,6\n"+
		"meta-llama/Llama-3.1-8B-Instruct,h200_sxm,vllm,0.12.0,fp8,1,1000,100,16,50,12\n"+
		"who/Unknown-9B,h200_sxm,vllm,0.12.0,bf16,1,1000,100,16,50,6\n"+
		"Qwen/Qwen3-32B,h100_sxm,vllm,0.12.0,bf16,2,900000,100,16,50,6\n"+
		"Qwen/Qwen3-32B,abacus,vllm,0.12.0,bf16,1,1000,100,16,50,6\n"+
		"Qwen/Qwen3-32B,h100_sxm,tgi,1,bf16,1,1000,100,16,50,6\n")
	data, err := ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Make(t.Context(), data, nil)
	if err != nil {
		t.Fatal(err)
	}
	if *r.Rows != 2 || len(r.By) != 1 || r.By[0].Rows != 2 || len(r.Skipped) != 4 {
		t.Fatalf("%d rows, %+v, skipped %+v", *r.Rows, r.By, r.Skipped)
	}
	if r.By[0].One {
		t.Error("two rows were enough to tell a protocol")
	}
	if _, err := json.Marshal(r); err != nil {
		t.Errorf("the report is no JSON: %v", err)
	}
	if a := *r.TPOTMAPE; !(a > 0.05) {
		t.Errorf("runs that contradict each other are off by %g in the mean", a)
	}
}

// A run of which nothing was answered, or only single tokens, is skipped, not a number.
func TestRunsWithoutTimes(t *testing.T) {
	dir := t.TempDir()
	head := "index,arrival_us,prompt,generate,prompt_id,status,ttft_ms,e2e_ms\n"
	write(t, filepath.Join(dir, "1-llama-2-7b-tp1-none.csv"), head+"0,0,100,50,0,timeout,,\n")
	write(t, filepath.Join(dir, "2-llama-2-7b-tp1-single.csv"), head+"0,0,100,1,0,ok,50,50\n")
	write(t, filepath.Join(dir, "3-llama-2-7b-tp1-huge.csv"), head+"0,0,90000,50,0,ok,50,500\n")
	data, err := ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Make(t.Context(), data, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Runs) != 0 || len(r.Skipped) != 3 {
		t.Errorf("%d runs, skipped %+v", len(r.Runs), r.Skipped)
	}
	if _, err := json.Marshal(r); err != nil {
		t.Errorf("the report is no JSON: %v", err)
	}
}

// Malformed files are one line with their place.
func TestReadErrors(t *testing.T) {
	for name, c := range map[string]struct{ file, text, want string }{
		"table":     {"serving.csv", tableHead + "a,b,vllm,1,bf16,x,1,1,1,1,1\n", "serving.csv:2"},
		"requests":  {"r.csv", "index,arrival_us,prompt,generate,status,ttft_ms,e2e_ms\n0,x,1,1,ok,1,1\n", "r.csv:2: arrival_us"},
		"lmbench":   {"exp0-a100x2-llama3.1-70b-vllm.csv", "workload,rate,launch_s,prompt_tokens,generation_tokens,ttft_s,generation_s\nsharegpt,1,0,-5,1,1,1\n", "vllm.csv:2: prompt_tokens"},
		"engine":    {"RTX4090-x/meta.json", "{", "no JSON object"},
		"nothing":   {"readme.txt", "hello", "no measured runs"},
		"no folder": {"", "", "no such folder"},
	} {
		dir := t.TempDir()
		at := dir
		if c.file == "" {
			at = filepath.Join(dir, "gone")
		} else {
			write(t, filepath.Join(dir, c.file), c.text)
			if strings.HasSuffix(c.file, "meta.json") {
				write(t, filepath.Join(dir, filepath.Dir(c.file), "requests.jsonl"), "{}\n")
			}
		}
		d, err := ReadDir(at)
		if err == nil {
			_, err = Make(t.Context(), d, nil)
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// Whatever a file holds, it is read or refused in one line.
func FuzzReadTable(f *testing.F) {
	f.Add("workload,rate,launch_s,prompt_tokens,generation_tokens,ttft_s,generation_s\nsharegpt,1,0,5,1,1,1\n", true)
	f.Add("index,arrival_us,prompt,generate,prompt_id,status,ttft_ms,e2e_ms\n0,0,1,1,0,ok,1,1\n", false)
	f.Fuzz(func(t *testing.T, text string, lmbench bool) {
		name := "r.csv"
		if lmbench {
			name = "exp0-a100x2-llama3.1-70b-vllm.csv"
		}
		dir := t.TempDir()
		write(t, filepath.Join(dir, name), text)
		if _, err := ReadDir(dir); err != nil && strings.Contains(err.Error(), "\n") {
			t.Fatalf("an error of more than one line: %q", err)
		}
	})
}

func TestOpenModel(t *testing.T) {
	for name, want := range map[string]string{"meta-llama/Llama-2-7b-hf": "llama-2-7b", "codellama/CodeLlama-34b-Instruct-hf": "codellama-34b", "mistralai/Mixtral-8x7B-v0.1": "mixtral-8x7b", "nvidia/Llama-3.1-8B-Instruct-FP8": "llama-3.1-8b", "Qwen/Qwen3-32B": "qwen3-32b", "meta-llama/Llama-2-70b-hf": "llama-2-70b", "llama3.1-70b-llmd004": "llama-3.1-70b"} {
		m, err := openModel(name)
		if err != nil || m.Name != want {
			t.Errorf("%s is %v (%v), want %s", name, m, err, want)
		}
	}
	if _, err := openModel("who/Unknown-9B"); err == nil {
		t.Error("an unknown model was opened")
	}
	for model, params := range map[string]float64{"llama-2-7b": 6.74e9, "codellama-34b": 33.7e9, "llama-2-70b": 69.0e9, "llama-2-13b": 13.0e9, "yi-34b": 34.4e9, "qwen3-14b": 14.8e9, "llama-3.2-3b": 3.2e9} {
		m, err := openModel(model)
		if err != nil {
			t.Errorf("%s: %v", model, err)
			continue
		}
		if n := float64(m.Params().Total); n < 0.97*params || n > 1.16*params {
			t.Errorf("%s has %.3g parameters, want about %.3g", model, n, params)
		}
	}
}

// TensorRT-LLM keeps the cache of fp8 weights in fp8, the others in 16 bits: twice as many
// tokens in a block of as many bytes.
func TestCacheOfFP8(t *testing.T) {
	bytesOf := func(engine string, w precision.DType) float64 {
		d, _, err := deployment("Qwen/Qwen3-32B", "h100-sxm", engine, 1, w, serving.Settings{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return d.Limits.Layout.BlockBytes / float64(d.Limits.Layout.BlockTokens())
	}
	for engine, want := range map[string]float64{"trtllm-1.0.0": 131072, "vllm-0.12.0": 262144, "sglang-0.5.6": 262144} {
		if got := bytesOf(engine, precision.FP8); got != want {
			t.Errorf("%s, fp8: %g B a token, want %g", engine, got, want)
		}
	}
	if got := bytesOf("trtllm-1.0.0", precision.BF16); got != 262144 {
		t.Errorf("bf16: %g B a token", got)
	}
}
