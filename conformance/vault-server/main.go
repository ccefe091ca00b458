// A Vault server for the tests, built from its published module. It is never linked into the proxy or shipped (BUSL).
package main

import (
	"os"

	"github.com/hashicorp/vault/command"
)

func main() {
	os.Exit(command.Run(os.Args[1:]))
}
