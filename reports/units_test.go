package reports

import "testing"

func TestPlain(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 3836021760: "3836021760", 0.1: "0.1", 1e-9: "1e-09", 2.5e-6: "0.0000025", 1e22: "1e+22", -3: "-3"} {
		if got := exact(v); got != want {
			t.Errorf("exact(%g) = %q, want %q", v, got, want)
		}
	}
}

func TestShorten(t *testing.T) {
	if got := shorten("sambay(d=16,gmu_ratio=0.5)", 11); got != "samba…=0.5)" || len([]rune(got)) != 11 {
		t.Errorf("shorten = %q", got)
	}
	if got := shorten("short", 11); got != "short" {
		t.Errorf("shorten = %q", got)
	}
}
