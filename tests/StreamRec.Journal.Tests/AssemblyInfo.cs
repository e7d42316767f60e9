// The meter is shared by all journals of the process, and one test counts commits.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
