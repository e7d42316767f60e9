namespace StreamRec.Torch.Tests;

public sealed class TorchRandomTests
{
    [Fact]
    public void The_same_seed_gives_the_same_numbers()
    {
        Assert.Equal(Draw(7), Draw(7));
        Assert.NotEqual(Draw(7), Draw(8));
    }

    [Fact]
    public void What_other_threads_draw_meanwhile_changes_nothing()
    {
        var alone = Draw(7);
        float[] beside = [], other = [];

        var disturbed = Draw(7, between: () =>
        {
            var withSeed = new Thread(() => other = Draw(8));
            var without = new Thread(() => beside = Numbers());
            withSeed.Start();
            without.Start();
            withSeed.Join();
            without.Join();
        });

        Assert.Equal(alone, disturbed);
        Assert.Equal(Draw(8), other);
        Assert.NotEmpty(beside);
    }

    [Fact]
    public void A_stream_within_a_stream_leaves_the_outer_one_where_it_was() =>
        Assert.Equal(Draw(7), Draw(7, between: () => Draw(8)));

    [Fact]
    public void Dropout_keeps_what_is_expected_and_scales_it()
    {
        using var scope = TensorScope.Enter();
        using var random = TorchRandom.Enter(1);
        var x = Tensor.Ones([10_000]);

        var kept = Functional.Dropout(x, 0.2, training: true).ToArray<float>();

        Assert.All(kept, value => Assert.Contains(value, new[] { 0f, 1.25f }));
        Assert.InRange(kept.Count(value => value != 0), 7_900, 8_100);
        Assert.Equal(x.ToArray<float>(), Functional.Dropout(x, 0.2, training: false).ToArray<float>());
        Assert.All(Functional.Dropout(x, 1, training: true).ToArray<float>(), value => Assert.Equal(0, value));
    }

    [Fact]
    public void A_stream_is_closed_on_its_own_thread()
    {
        using var random = TorchRandom.Enter(1);
        Exception? exception = null;
        var thread = new Thread(() => exception = Record.Exception(random.Dispose));
        thread.Start();
        thread.Join();

        Assert.Contains("thread that opened it", Assert.IsType<InvalidOperationException>(exception).Message, StringComparison.Ordinal);
    }

    private static float[] Draw(long seed, Action? between = null)
    {
        using var random = TorchRandom.Enter(seed);
        var first = Numbers();
        between?.Invoke();
        return [.. first, .. Numbers()];
    }

    // A piece of everything that draws.
    private static float[] Numbers()
    {
        using var scope = TensorScope.Enter();
        using var layer = new Linear(5, 4);
        return
        [
            .. layer.Weight.ToArray<float>(),
            .. Init.Normal_(Tensor.Empty([3])).ToArray<float>(),
            .. Tensor.Rand([3]).ToArray<float>(),
            .. Tensor.RandN([3]).ToArray<float>(),
            .. Tensor.RandInt(0, 1000, [3]).ToArray<long>(),
            .. Functional.Dropout(Tensor.Ones([50]), 0.5, training: true).ToArray<float>(),
        ];
    }
}
