namespace StreamRec.Torch;

/// <summary>While training, sets elements to zero with probability p and scales the others by 1 / (1 - p).</summary>
public sealed class Dropout : Module
{
    private readonly double _p;

    /// <param name="p">In [0, 1].</param>
    public Dropout(double p)
    {
        if (p is not (>= 0 and <= 1))
            throw new ArgumentOutOfRangeException(nameof(p), p, "The probability of dropout must be in [0, 1].");
        _p = p;
    }

    /// <summary>Probability with which an element is dropped now: 0 outside training.</summary>
    public double Rate => Training ? _p : 0;

    /// <summary>x itself when nothing is dropped: no call is made then.</summary>
    public Tensor Forward(Tensor x) => Rate > 0 ? Functional.Dropout(x, Rate, training: true) : x;
}
