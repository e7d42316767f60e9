using System.Runtime.InteropServices;

namespace StreamRec.Torch;

/// <summary>Adam and AdamW: changes parameters by their gradients, with two running means for each.</summary>
/// <remarks>
/// The parameters stay the caller's; the optimiser owns its running means, outside all scopes. A parameter without a
/// gradient is left alone and its step count stands still. One native call makes a step: a fused loop over contiguous
/// float32 CPU elements, ATen operations otherwise. Not thread-safe.
/// </remarks>
public abstract partial class Optimizer : IDisposable
{
    private readonly string[] _names;
    private readonly Tensor[] _parameters;
    private readonly long[] _steps;
    private Tensor[] _first = [];
    private Tensor[] _second = [];

    private protected Optimizer(IEnumerable<(string Name, Tensor Parameter)> parameters, double learningRate)
    {
        // Tied parameters come twice and must not be stepped twice.
        var distinct = parameters.DistinctBy(named => named.Parameter).ToArray();
        _names = [.. distinct.Select(named => named.Name)];
        _parameters = [.. distinct.Select(named => named.Parameter)];
        _steps = new long[distinct.Length];
        LearningRate = learningRate;
    }

    /// <summary>Step size; may change between steps.</summary>
    public double LearningRate { get; set; }

    /// <summary>Decay of the mean of gradients.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>Decay of the mean of squared gradients.</summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>Added to the denominator.</summary>
    public double Eps { get; init; } = 1e-8;

    /// <summary>Pull towards 0.</summary>
    public double WeightDecay { get; init; }

    /// <summary>Whether the pull acts on the parameter (AdamW) or is added to the gradient (Adam).</summary>
    private protected abstract bool Decoupled { get; }

    /// <summary>Changes every parameter that has a gradient.</summary>
    public void Step()
    {
        EnsureState();
        var whole = Whole();
        using var parameters = new TensorHandles([.. whole.Select(i => _parameters[i])]);
        using var first = new TensorHandles([.. whole.Select(i => _first[i])]);
        using var second = new TensorHandles([.. whole.Select(i => _second[i])]);
        long[] steps = [.. whole.Select(i => _steps[i])];
        var settings = new AdamSettings(LearningRate, Beta1, Beta2, Eps, WeightDecay, Decoupled ? 1 : 0);
        var status = Native.sr_adam_step(
            parameters.Native, first.Native, second.Native, steps, steps.Length, in settings, out var error);
        Native.Check(status, error);
        foreach (var (place, i) in whole.Index())
            _steps[i] = steps[place];
        StepRows(settings);
    }

    /// <summary>Drops the gradients; those of tables stepped by rows are zero after a step and stay.</summary>
    public void ZeroGrad()
    {
        var whole = Whole();
        using var parameters = new TensorHandles([.. whole.Select(i => _parameters[i])]);
        Native.Check(Native.sr_zero_grad(parameters.Native, whole.Length, out var error), error);
    }

    /// <summary>
    /// The running means, not copies, as <c>exp_avg.NAME</c> and <c>exp_avg_sq.NAME</c>, and step counts as
    /// <c>step.NAME</c>, int64 [], the caller's.
    /// </summary>
    public IReadOnlyDictionary<string, Tensor> StateDict()
    {
        EnsureState();
        CatchUp();
        var state = new OrderedDictionary<string, Tensor>();
        for (var i = 0; i < _names.Length; i++)
        {
            state.Add($"exp_avg.{_names[i]}", _first[i]);
            state.Add($"exp_avg_sq.{_names[i]}", _second[i]);
            state.Add($"step.{_names[i]}", Tensor.Full([], _steps[i], ScalarType.Int64));
        }

        return state;
    }

    /// <summary>Takes over the state that <see cref="StateDict"/> of an optimiser over the same parameters gave.</summary>
    /// <exception cref="ArgumentException">A name is missing or a shape differs; nothing was changed.</exception>
    public void LoadStateDict(IReadOnlyDictionary<string, Tensor> state)
    {
        EnsureState();
        var steps = new long[_names.Length];
        for (var i = 0; i < _names.Length; i++)
        {
            Find(state, $"exp_avg.{_names[i]}", _first[i].Shape);
            Find(state, $"exp_avg_sq.{_names[i]}", _second[i].Shape);
            steps[i] = Find(state, $"step.{_names[i]}", []).Item<long>();
        }

        for (var i = 0; i < _names.Length; i++)
        {
            _first[i].CopyFrom_(state[$"exp_avg.{_names[i]}"]);
            _second[i].CopyFrom_(state[$"exp_avg_sq.{_names[i]}"]);
        }

        steps.CopyTo(_steps, 0);
        foreach (var rows in _byRows.Values)
        {
            Array.Fill(rows.Done, _steps[rows.Index]);
            rows.Start = _steps[rows.Index];
            rows.History.Clear();
            rows.Prepared.Clear();
        }
    }

    public void Dispose()
    {
        foreach (var tensor in _first.Concat(_second))
            tensor.Dispose();
        GC.SuppressFinalize(this);
    }

    // Parameters that are stepped as wholes.
    private int[] Whole() => [.. Enumerable.Range(0, _parameters.Length).Where(i => !_byRows.ContainsKey(_parameters[i]))];

    private static Tensor Find(IReadOnlyDictionary<string, Tensor> state, string name, long[] shape)
    {
        if (!state.TryGetValue(name, out var tensor))
            throw new ArgumentException($"Optimiser state {name} is missing.");
        if (!tensor.Shape.AsSpan().SequenceEqual(shape))
        {
            throw new ArgumentException(
                $"Optimiser state {name} has shape [{string.Join(", ", tensor.Shape)}]; it must be [{string.Join(", ", shape)}].");
        }

        return tensor;
    }

    // At the first use and not in the constructor, so that the module may be moved to its device in between.
    private void EnsureState()
    {
        if (_first.Length == _parameters.Length)
            return;
        _first = [.. _parameters.Select(parameter => TensorScope.Detach(Tensor.ZerosLike(parameter)))];
        _second = [.. _parameters.Select(parameter => TensorScope.Detach(Tensor.ZerosLike(parameter)))];
    }
}

/// <summary>Layout: <c>sr_adam</c> in native/optim.cpp.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct AdamSettings(
    double LearningRate, double Beta1, double Beta2, double Eps, double WeightDecay, long Decoupled);
