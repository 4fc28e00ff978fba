using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Simplification.Evaluation;

/// <summary>Exact arithmetic, comparison, logic, Cast, Where and integer reductions on small tensors. Overflow and division by zero throw <see cref="ArithmeticException"/>.</summary>
internal static class ArithmeticRules
{
    public static Tensor? TryEvaluate(ConstantCall call)
    {
        foreach (var input in call.Inputs)
            if (input is not null && !ShapeMathEvaluator.IsSmall(input.Dims)) return null;
        return call.Node.OpType switch
        {
            "Cast" => Cast(call),
            "Neg" or "Abs" or "Not" or "Floor" or "Ceil" or "Sqrt" => Unary(call),
            "Where" => Where(call),
            "ReduceProd" or "ReduceSum" or "ReduceMax" or "ReduceMin" => ReductionRule.Reduce(call),
            // Before opset 7 attributes said what is broadcast.
            _ when call.Opset < 7 => null,
            "Add" or "Sub" or "Mul" or "Div" or "Mod" or "Min" or "Max" => Arithmetic(call),
            "Equal" or "Less" or "Greater" or "LessOrEqual" or "GreaterOrEqual" or "And" or "Or" or "Xor" => Comparison(call),
            _ => null,
        };
    }

    private static Tensor? Cast(ConstantCall call)
    {
        var type = (DataType)call.Node.GetInt("to", 0);
        if (NumericData.TryRead(call.Input(0)) is not { } data || !type.IsKnown()) return null;
        if (type == DataType.Bool) return Booleans(data.Dims, i => data.Integers is { } v ? v[i] != 0 : data.Reals![i] != 0, data.Count);
        if (type.IsFloatingPoint())
        {
            // int64 to binary32 must round once.
            if (data.Integers is { } whole && type == DataType.Float) return Tensor.Float(data.Dims, Array.ConvertAll(whole, v => (float)v));
            return NumericData.Of(type, data.Dims, data.Reals ?? Array.ConvertAll(data.Integers!, v => Math.Abs(v) <= 1L << 53 ? (double)v : throw new OverflowException())).TryWrite();
        }

        long[] integers = data.Integers ?? Array.ConvertAll(data.Reals!, v => checked((long)v));
        return NumericData.Of(type, data.Dims, integers).TryWrite();
    }

    private static Tensor? Unary(ConstantCall call)
    {
        if (NumericData.TryRead(call.Input(0)) is not { } data) return null;
        if (data.Integers is { } integers)
        {
            return call.Node.OpType switch
            {
                "Neg" => NumericData.Of(data.Type, data.Dims, Array.ConvertAll(integers, v => checked(-v))).TryWrite(),
                "Abs" => NumericData.Of(data.Type, data.Dims, Array.ConvertAll(integers, Math.Abs)).TryWrite(),
                "Not" => NumericData.Of(data.Type, data.Dims, Array.ConvertAll(integers, v => 1 - v)).TryWrite(),
                _ => null,
            };
        }

        Converter<double, double>? function = call.Node.OpType switch
        {
            "Neg" => v => -v,
            "Abs" => Math.Abs,
            "Floor" => Math.Floor,
            "Ceil" => Math.Ceiling,
            "Sqrt" => Math.Sqrt,
            _ => null,
        };
        return function is null ? null : NumericData.Of(data.Type, data.Dims, Array.ConvertAll(data.Reals!, function)).TryWrite();
    }

    private static Tensor? Arithmetic(ConstantCall call)
    {
        var result = NumericData.TryRead(call.Input(0));
        for (int i = 1; result is not null && i < call.Inputs.Count; i++)
            result = NumericData.TryRead(call.Input(i)) is { } next ? Combine(call, result, next) : null;
        return result?.TryWrite();
    }

    private static NumericData? Combine(ConstantCall call, NumericData a, NumericData b)
    {
        if (a.Type != b.Type || Align(a, b) is not { } at) return null;
        if (a.Integers is { } x && b.Integers is { } y)
        {
            Func<long, long, long> function = call.Node.OpType switch
            {
                "Add" => (p, q) => checked(p + q),
                "Sub" => (p, q) => checked(p - q),
                "Mul" => (p, q) => checked(p * q),
                "Div" => (p, q) => p / q,
                "Mod" => (p, q) => call.Node.GetInt("fmod", 0) != 0 ? p % q : ((p % q) + q) % q,
                "Min" => Math.Min,
                _ => Math.Max,
            };
            return NumericData.Of(a.Type, at.Dims, at.Select((i, j) => function(x[i], y[j])));
        }

        Func<double, double, double>? real = call.Node.OpType switch
        {
            "Add" => (p, q) => p + q,
            "Sub" => (p, q) => p - q,
            "Mul" => (p, q) => p * q,
            "Div" => (p, q) => p / q,
            _ => null,
        };
        return real is null ? null : NumericData.Of(a.Type, at.Dims, at.Select((i, j) => real(a.Reals![i], b.Reals![j])));
    }

    private static Tensor? Comparison(ConstantCall call)
    {
        if (NumericData.TryRead(call.Input(0)) is not { } a || NumericData.TryRead(call.Input(1)) is not { } b) return null;
        if (a.Type != b.Type || Align(a, b) is not { } at) return null;
        string op = call.Node.OpType;
        bool[] results = a.Integers is { } x
            ? at.Select((i, j) => Holds(op, x[i], b.Integers![j]))
            : at.Select((i, j) => Holds(op, a.Reals![i], b.Reals![j]));
        return Booleans(at.Dims, i => results[i], results.Length);
    }

    private static bool Holds<T>(string op, T a, T b) where T : System.Numerics.INumber<T> => op switch
    {
        "Equal" => a == b,
        "Less" => a < b,
        "Greater" => a > b,
        "LessOrEqual" => a <= b,
        "GreaterOrEqual" => a >= b,
        "And" => a != T.Zero && b != T.Zero,
        "Or" => a != T.Zero || b != T.Zero,
        _ => (a != T.Zero) != (b != T.Zero),
    };

    private static Tensor? Where(ConstantCall call)
    {
        if (NumericData.TryRead(call.Input(0)) is not { Integers: { } condition } data || NumericData.TryRead(call.Input(1)) is not { } yes
            || NumericData.TryRead(call.Input(2)) is not { } no || yes.Type != no.Type) return null;
        if (Broadcasting.CommonDims(data.Dims, yes.Dims, no.Dims) is not { } dims || !ShapeMathEvaluator.IsSmall(dims)) return null;
        int[] c = Offsets(data), y = Offsets(yes), n = Offsets(no);
        return yes.Integers is { } integers
            ? NumericData.Of(yes.Type, dims, Enumerable.Range(0, c.Length).Select(i => condition[c[i]] != 0 ? integers[y[i]] : no.Integers![n[i]]).ToArray()).TryWrite()
            : NumericData.Of(yes.Type, dims, Enumerable.Range(0, c.Length).Select(i => condition[c[i]] != 0 ? yes.Reals![y[i]] : no.Reals![n[i]]).ToArray()).TryWrite();

        int[] Offsets(NumericData d) => Broadcasting.Offsets(dims, Broadcasting.BroadcastStrides(d.Dims, dims.Length));
    }

    private static Alignment? Align(NumericData a, NumericData b)
    {
        if (Broadcasting.CommonDims(a.Dims, b.Dims) is not { } dims || !ShapeMathEvaluator.IsSmall(dims)) return null;
        return new(dims, Broadcasting.Offsets(dims, Broadcasting.BroadcastStrides(a.Dims, dims.Length)), Broadcasting.Offsets(dims, Broadcasting.BroadcastStrides(b.Dims, dims.Length)));
    }

    private static Tensor Booleans(long[] dims, Func<int, bool> at, int count)
    {
        byte[] bytes = new byte[count];
        for (int i = 0; i < count; i++) bytes[i] = at(i) ? (byte)1 : (byte)0;
        return Tensor.Create(DataType.Bool, dims, bytes);
    }

    /// <summary>Where the elements of two operands stand for each element of the result.</summary>
    private sealed record Alignment(long[] Dims, int[] A, int[] B)
    {
        public T[] Select<T>(Func<int, int, T> function)
        {
            var result = new T[A.Length];
            for (int i = 0; i < result.Length; i++) result[i] = function(A[i], B[i]);
            return result;
        }
    }
}
