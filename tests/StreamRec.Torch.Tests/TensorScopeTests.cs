namespace StreamRec.Torch.Tests;

public sealed class TensorScopeTests
{
    [Fact]
    public void A_closing_scope_frees_what_was_made_in_it()
    {
        Tensor x, y;
        using (TensorScope.Enter())
        {
            x = Tensor.Ones([2]);
            y = x + 1;
        }

        Assert.True(x.IsDisposed);
        Assert.True(y.IsDisposed);
    }

    [Fact]
    public void A_kept_tensor_passes_to_the_enclosing_scope_and_then_to_the_caller()
    {
        Tensor kept;
        using (var outer = TensorScope.Enter())
        {
            Tensor passed, inner;
            using (var scope = TensorScope.Enter())
            {
                passed = scope.Keep(Tensor.Ones([2]));
                (kept, inner) = scope.Keep(passed + 1, passed + 2);
            }

            Assert.False(passed.IsDisposed);
            Assert.False(inner.IsDisposed);
            outer.Keep(kept);
        }

        Assert.Equal([2f, 2], kept.ToArray<float>());
        kept.Dispose();
    }

    [Fact]
    public void What_is_passed_outwards_is_freed_by_the_enclosing_scope()
    {
        Tensor passed;
        using (TensorScope.Enter())
        {
            using var scope = TensorScope.Enter();
            passed = scope.Keep(Tensor.Ones([2]));
        }

        Assert.True(passed.IsDisposed);
    }

    [Fact]
    public void A_detached_tensor_survives_every_scope()
    {
        Tensor x;
        using (TensorScope.Enter())
        {
            using (TensorScope.Enter())
                x = TensorScope.Detach(Tensor.Ones([2]));
        }

        Assert.False(x.IsDisposed);
        x.Dispose();
    }

    [Fact]
    public void A_tensor_from_outside_is_left_alone_and_keeping_it_changes_nothing()
    {
        using var outside = Tensor.Ones([2]);
        using (var scope = TensorScope.Enter())
            scope.Keep(outside);

        Assert.False(outside.IsDisposed);
    }

    [Fact]
    public void Disposing_by_hand_inside_a_scope_is_allowed()
    {
        using var scope = TensorScope.Enter();
        Tensor.Ones([2]).Dispose();
    }

    [Fact]
    public void Closing_a_scope_closes_those_left_open_inside_it()
    {
        var outer = TensorScope.Enter();
        var inner = TensorScope.Enter();
        var x = Tensor.Ones([2]);

        outer.Dispose();
        inner.Dispose();

        Assert.True(x.IsDisposed);
        using var free = Tensor.Ones([2]);
        Assert.Null(free.Scope);
    }

    [Fact]
    public void An_exception_frees_what_was_made_before_it()
    {
        Tensor? x = null;
        Assert.Throws<TorchException>(() =>
        {
            using var scope = TensorScope.Enter();
            x = Tensor.Ones([2]);
            return x + Tensor.Ones([3]);
        });

        Assert.True(x!.IsDisposed);
    }

    [Fact]
    public void A_scope_belongs_to_one_thread()
    {
        using var scope = TensorScope.Enter();
        Tensor? elsewhere = null;
        Exception? refused = null;
        var thread = new Thread(() =>
        {
            elsewhere = Tensor.Ones([2]);
            refused = Record.Exception(scope.Dispose);
        });
        thread.Start();
        thread.Join();

        Assert.Null(elsewhere!.Scope);
        Assert.IsType<InvalidOperationException>(refused);
        elsewhere.Dispose();
    }

    [Fact]
    public void A_parameter_made_in_a_scope_survives_it()
    {
        Linear layer;
        using (TensorScope.Enter())
            layer = new Linear(2, 3);

        Assert.False(layer.Weight.IsDisposed);
        layer.Dispose();
        Assert.True(layer.Weight.IsDisposed);
    }
}
