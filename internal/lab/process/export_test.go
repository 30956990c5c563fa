package process

// FreeAddrs chooses n addresses for servers of a test, as those of a cluster are
// chosen: from where no outgoing connection takes them before the server starts.
func FreeAddrs(n int) ([]string, error) {
	var held holder
	defer held.close()
	addrs := make([]string, n)
	for i := range addrs {
		addrs[i] = loopback(held.take(0))
	}
	return addrs, held.err
}
