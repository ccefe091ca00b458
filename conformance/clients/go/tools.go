//go:build tools

// Package clients keeps the clients in go.mod.
package clients

import (
	_ "github.com/peak/s5cmd/v2"
	_ "github.com/restic/restic/cmd/restic"
)
