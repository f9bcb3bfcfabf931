import { EventEmitter } from "events";

/** Who is logged in. */
export interface Session {
  user: string;
  /** Ends the session. */
  logout(): Promise<void>;
}

export type Handler<T> = (event: T) => void;

export enum Level {
  Low,
  High,
}

declare module "config" {
  export function load(path: string): object;
}

namespace Geometry {
  export function area(width: number, height: number): number {
    const result = width * height;
    return result;
  }
}

@Injectable()
export class SessionStore<T extends Session> extends EventEmitter {
  private sessions = new Map<string, T>();

  constructor(private readonly limit: number) {
    super();
    this.setMaxListeners(limit);
  }

  /** Looks a session up by its user. */
  @Memoize()
  public find(user: string): T | undefined {
    const found = this.sessions.get(user);
    return found;
  }

  private readonly expire = (user: string): void => {
    this.sessions.delete(user);
    this.emit("expired", user);
  };
}

export abstract class Shape {
  abstract area(): number;
}

export const useSession = (user: string): Session | null => {
  const [session] = useState<Session | null>(null);
  return session;
};
