namespace StreamRec.Torch;

/// <summary>An exponential moving average of parameters, in whose place it can be put for a while.</summary>
/// <remarks>
/// The mean after step t weighs the past by min(decay, (1 + t) / (10 + t)), so that it forgets the random beginning
/// soon. The parameters stay the caller's; the means are owned here, outside all scopes. Not thread-safe.
/// </remarks>
public sealed class WeightAverage : IDisposable
{
    private readonly string[] _names;
    private readonly Tensor[] _parameters;
    private readonly Tensor[] _averages;
    private readonly double _decay;
    private long _updates;
    private bool _entered;

    /// <param name="parameters">A tensor that comes twice counts once.</param>
    /// <param name="decay">Weight of the past, in [0, 1).</param>
    public WeightAverage(IEnumerable<(string Name, Tensor Parameter)> parameters, double decay)
    {
        var distinct = parameters.DistinctBy(named => named.Parameter).ToArray();
        _names = [.. distinct.Select(named => named.Name)];
        _parameters = [.. distinct.Select(named => named.Parameter)];
        _averages = [.. _parameters.Select(parameter => TensorScope.Detach(parameter.Detach().Clone()))];
        _decay = decay;
    }

    /// <summary>Takes in the parameters after a step.</summary>
    public void Update()
    {
        _updates++;
        using var parameters = new TensorHandles(_parameters);
        using var averages = new TensorHandles(_averages);
        var decay = Math.Min(_decay, (1.0 + _updates) / (10 + _updates));
        Native.Check(Native.sr_average(parameters.Native, averages.Native, _parameters.Length, decay, out var error), error);
    }

    /// <summary>Puts the means in the parameters' place; nothing when they are there.</summary>
    public void Enter() => Exchange(true);

    /// <summary>Puts the parameters back; nothing when they are there.</summary>
    public void Leave() => Exchange(false);

    /// <summary>The means, not copies, by parameter, and <c>updates</c>, int64 [], the caller's; while the parameters are in place.</summary>
    public IReadOnlyDictionary<string, Tensor> StateDict() => _names.Zip(_averages)
        .Append(("updates", Tensor.Full([], _updates, ScalarType.Int64)))
        .ToDictionary(pair => pair.Item1, pair => pair.Item2);

    /// <summary>Takes over what <see cref="StateDict"/> gave; the parameters are the caller's to restore.</summary>
    /// <exception cref="KeyNotFoundException">A name is missing.</exception>
    public void LoadStateDict(IReadOnlyDictionary<string, Tensor> state)
    {
        using var noGrad = NoGrad.Enter();
        for (var i = 0; i < _names.Length; i++)
            _averages[i].CopyFrom_(state[_names[i]]);
        _updates = state["updates"].Item<long>();
        _entered = false;
    }

    public void Dispose()
    {
        foreach (var average in _averages)
            average.Dispose();
    }

    private void Exchange(bool enter)
    {
        if (_entered == enter)
            return;
        _entered = enter;
        using var scope = TensorScope.Enter();
        using var noGrad = NoGrad.Enter();
        foreach (var (parameter, average) in _parameters.Zip(_averages))
        {
            var held = parameter.Clone();
            parameter.CopyFrom_(average);
            average.CopyFrom_(held);
        }
    }
}
