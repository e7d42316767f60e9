using System.Diagnostics;

namespace StreamRec.Torch.Tests;

/// <summary>Tests of what the whole process shares (live tensors, threads): none runs beside another test.</summary>
[CollectionDefinition(nameof(ProcessTests), DisableParallelization = true)]
[Collection(nameof(ProcessTests))]
public sealed class ProcessTests
{
    [Fact]
    public void Ten_thousand_training_steps_leave_no_tensor_behind_and_no_memory()
    {
        using var net = new Net();
        using var optimizer = new Adam(net.NamedParameters(), learningRate: 1e-3);
        Train(net, optimizer, 500);
        var memory = ResidentBytes();
        var tensors = TorchRuntime.LiveTensors;

        Train(net, optimizer, 10_000);

        Assert.Equal(tensors, TorchRuntime.LiveTensors);
        // One leaked [16, 8] tensor a step would be 5 MB; the managed heap may move by less than that.
        Assert.InRange(ResidentBytes() - memory, long.MinValue, 24L << 20);
    }

    [Fact]
    public void Refused_operations_leave_no_tensor_behind()
    {
        using var x = Tensor.Ones([3]);
        using var y = Tensor.Ones([4]);
        ResidentBytes();
        var tensors = TorchRuntime.LiveTensors;

        for (var i = 0; i < 100; i++)
            Assert.Throws<TorchException>(() => x + y);

        Assert.Equal(tensors, TorchRuntime.LiveTensors);
    }

    [Fact]
    public void The_number_of_threads_holds_for_libtorch_and_its_matrix_products()
    {
        var before = TorchRuntime.Threads;
        try
        {
            TorchRuntime.Initialize(new TorchOptions { Threads = 1 });
            Assert.Equal(1, TorchRuntime.Threads);
            Assert.Contains(TorchRuntime.OpenBlasThreads, new[] { 0, 1 });

            var elsewhere = 0;
            var thread = new Thread(() =>
            {
                TorchRuntime.SetThreads(2);
                elsewhere = TorchRuntime.Threads;
            });
            thread.Start();
            thread.Join();
            Assert.Equal(2, elsewhere);
            Assert.Equal(1, TorchRuntime.Threads);
            Assert.Throws<ArgumentOutOfRangeException>(() => TorchRuntime.SetThreads(0));
        }
        finally
        {
            TorchRuntime.SetThreads(before);
        }
    }

    [Fact]
    public void The_runtime_says_what_it_runs_on()
    {
        TorchRuntime.Initialize(new TorchOptions());

        Assert.True(TorchRuntime.Version >= new Version(1, 13));
        Assert.Equal(TorchRuntime.DeviceCount > 0, TorchRuntime.CudaAvailable);
        var wished = Environment.GetEnvironmentVariable("OPENBLAS_CORETYPE") is { Length: > 0 };
        if (TorchRuntime.OpenBlasCore is { } core && !wished && System.Runtime.Intrinsics.X86.Avx512F.IsSupported)
            Assert.Equal("SkylakeX", core);
    }

    private static void Train(Net net, Adam optimizer, int steps)
    {
        for (var step = 0; step < steps; step++)
        {
            using var scope = TensorScope.Enter();
            optimizer.ZeroGrad();
            var x = Tensor.RandN([16, 8]);
            var loss = Functional.CrossEntropy(net.Forward(x), Tensor.RandInt(0, 5, [16]));
            loss.Backward();
            GradientClip.ByNorm(net.Parameters(), 1);
            optimizer.Step();
        }
    }

    // Finalizers of tensors that other tests dropped run first, or they would be counted as freed here.
    private static long ResidentBytes()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        using var process = Process.GetCurrentProcess();
        return process.WorkingSet64;
    }

    private sealed class Net : Module
    {
        public Net()
        {
            First = RegisterModule("first", new Linear(8, 16));
            Norm = RegisterModule("norm", new LayerNorm(16));
            Second = RegisterModule("second", new Linear(16, 5));
        }

        private Linear First { get; }

        private LayerNorm Norm { get; }

        private Linear Second { get; }

        public Tensor Forward(Tensor x) => Second.Forward(Norm.Forward(First.Forward(x)).Gelu());
    }
}
