package arch

import (
	"os"
	"path/filepath"
	"testing"
)

func readConfig(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "configs", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestImportHFParams(t *testing.T) {
	for name, want := range map[string]int64{
		"Phi-4-mini-instruct":        3_836_021_760,
		"Phi-4-mini-flash-reasoning": 3_852_562_944,
		"Meta-Llama-3.1-8B":          8_030_261_248,
		"Meta-Llama-3.1-70B":         70_553_706_496,
		"Qwen3-0.6B":                 596_049_920,
		"Qwen3-8B":                   8_190_735_360,
		"Qwen3-32B":                  32_762_123_264,
	} {
		m, err := ImportHF(name, readConfig(t, name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := m.Params().Total; got != want {
			t.Errorf("%s has %d parameters, want %d", name, got, want)
		}
	}
}
