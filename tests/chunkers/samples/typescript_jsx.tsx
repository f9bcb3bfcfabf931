import * as React from "react";

interface Props {
  label: string;
}

/** A button that counts its clicks. */
export const Counter: React.FC<Props> = ({ label }) => {
  const [count, setCount] = React.useState(0);
  return <button onClick={() => setCount(count + 1)}>{label}: {count}</button>;
};

export const Fast = React.memo(function Fast({ label }: Props) {
  return <b>{label}</b>;
});
