// Nearly all the time of these tests goes into waiting for the mock's first rebalance (3 s), so more may run than there are cores.
[assembly: CollectionBehavior(MaxParallelThreads = 6)]
