package calibrate

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/OWNER/ridgeline/costmodel/kerneltime"
)

const gemmCSV = "dtype,m,n,k,latency_us\nbfloat16,1,32,64,1.794\nfp8,16,4096,4096,9.5\n"

func TestRead(t *testing.T) {
	rows, err := Read(strings.NewReader("\ufeff"+gemmCSV), "gemm_x.csv", kerneltime.ClassGEMM)
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 2 || rows[1].Line != 3 || rows[1].Shape.(*kerneltime.GEMM).N != 4096 || rows[1].Seconds != 9.5e-6 {
		t.Errorf("read %+v", rows)
	}
}

// Every error is one line that names the file, the line and the column.
func TestReadErrors(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"", "gemm_x.csv:1: empty file"},
		{"dtype,m,n,k,latency_us\n", "no rows"},
		{"dtype,m,n,latency_us\nbfloat16,1,32,1\n", "gemm_x.csv:2: k: no such column"},
		{"dtype,m,n,k,latency_us\nbfloat16,1,32,64\n", "gemm_x.csv:2: 4 fields"},
		{"dtype,m,n,k,latency_us\nbfloat16,1.5,32,64,1\n", "gemm_x.csv:2: m:"},
		{"dtype,m,n,k,latency_us\nbfloat16,1,32,0,1\n", "gemm_x.csv:2: k:"},
		{"dtype,m,n,k,latency_us\nbfloat16,1,32,64,-1\n", "gemm_x.csv:2: latency_us:"},
		{"dtype,m,n,k,latency_us\nbfloat16,1,32,64,NaN\n", "gemm_x.csv:2: latency_us:"},
		{"dtype,m,n,k,latency_us\nbfloat16,1,32,64,0.0009\n", "gemm_x.csv:2: latency_us:"},
		{"dtype,m,n,k,latency_us\nbfloat16,1,32,64,1.1e12\n", "gemm_x.csv:2: latency_us:"},
		{"dtype,m,n,k,latency_us\nfp17,1,32,64,1\n", "gemm_x.csv:2: dtype:"},
		{"dtype,m,n,k,latency_us\nbfloat16,1,32,1e300,1\n", "gemm_x.csv:2: k:"},
	} {
		_, err := Read(strings.NewReader(tc.in), "gemm_x.csv", kerneltime.ClassGEMM)
		if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, want one line with %q", tc.in, err, tc.want)
		}
	}
	if _, err := Read(strings.NewReader("batch,heads,kv_heads,head_dim,window,context,kv_dtype,latency_us\n1,2,4,64,0,10,fp8,1\n"), "d.csv", kerneltime.ClassDecode); err == nil {
		t.Error("more KV heads than heads were read")
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]string{"gemm_a100.csv": "a100-80gb", "gemm_h100_sxm.csv": "h100-sxm", "decode_attention_b200.csv": "b200", "mamba1_mine.csv": "mine"} {
		if _, gpu, ok := classify(name); !ok || gpu != want {
			t.Errorf("%s is of %q, want %q", name, gpu, want)
		}
	}
	for _, name := range []string{"serving.csv", "gemm.csv", "gemm_.csv", "notes.txt"} {
		if _, _, ok := classify(name); ok {
			t.Errorf("%s was taken for a table", name)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(gemmCSV, uint8(0))
	f.Add("backend,dtype,gpus,message_elements,latency_us\nvllm_eager,bfloat16,2,256,20\n", uint8(kerneltime.ClassAllReduce))
	f.Add("kv_dtype,batch,heads,kv_lora_rank,rope_dim,context,latency_us\nbfloat16,1,16,512,64,256,13.6\n", uint8(kerneltime.ClassMLA))
	f.Fuzz(func(t *testing.T, in string, class uint8) {
		rows, err := Read(strings.NewReader(in), "x.csv", kerneltime.Class(class%uint8(len(kerneltime.Classes()))))
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") {
				t.Fatalf("error of more than one line: %q", err)
			}
			return
		}
		for i := range rows {
			if !(rows[i].Seconds > 0) {
				t.Fatalf("row %+v", rows[i])
			}
		}
	})
}

// Decode attention that reads its cache once per query head is a table of its own.
func TestReadsPerQueryHeadAreATableOfTheirOwn(t *testing.T) {
	dir := t.TempDir()
	const in = "kv_dtype,batch,heads,kv_heads,head_dim,window,context,latency_us,reads\n" +
		"bfloat16,1,24,8,128,0,2048,20,packed\nbfloat16,1,24,8,128,0,2048,55,per_query_head\n"
	path := filepath.Join(dir, "decode_attention_h100.csv")
	if err := os.WriteFile(path, []byte(in), 0o600); err != nil {
		t.Fatal(err)
	}
	ts, err := ReadDir(dir)
	if err != nil || len(ts) != 2 || ts[0].Class != kerneltime.ClassDecode || ts[1].Class != kerneltime.ClassUnpacked || len(ts[0].Rows) != 1 || len(ts[1].Rows) != 1 {
		t.Fatalf("%+v, %v", ts, err)
	}
	alone := filepath.Join(dir, "decode_attention_h200.csv")
	head, rest, _ := strings.Cut(in, "\n")
	if err := os.WriteFile(alone, []byte(head+"\n"+strings.SplitAfter(rest, "\n")[1]), 0o600); err != nil {
		t.Fatal(err)
	}
	if tab, err := ReadFile(alone); err != nil || tab.Class != kerneltime.ClassUnpacked || len(tab.Rows) != 1 || tab.Hardware != "h200" || tab.File != "decode_attention_h200.csv" {
		t.Errorf("a table of such rows alone: %+v, %v", tab, err)
	}
	if _, err := Read(strings.NewReader(strings.Replace(in, "packed", "twice", 1)), "x.csv", kerneltime.ClassDecode); err == nil || !strings.Contains(err.Error(), "x.csv:2: reads") {
		t.Errorf("reads twice: %v", err)
	}
}
